"""Control of a playing host by hand: the controls, and the keyboard that turns them."""
