// Times in words.

/** A duration, short: "40 s", "3 min", "2 h". */
export function duration(seconds) {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** A position in a song: "3:07". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A position in a song for those who listen to the page: "3 minutes 7 seconds". */
export function spoken(seconds) {
  const minutes = Math.floor(seconds / 60), rest = Math.floor(seconds) % 60;
  return `${minutes ? `${minutes} minutes ` : ""}${rest} seconds`;
}

/** "1st", "2nd", "3rd", "4th" ... */
export function ordinal(number) {
  const teen = number % 100 > 10 && number % 100 < 14;
  return `${number}${teen ? "th" : ["th", "st", "nd", "rd"][number % 10] || "th"}`;
}
