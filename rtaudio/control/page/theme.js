// Before the first picture: the chosen theme, or that of the system.
"use strict";
const chosen = localStorage.getItem("theme");
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = chosen || (dark ? "dark" : "light");
