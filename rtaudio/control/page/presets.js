// The list of presets: search, open, save as, rename.

import {dialog, h, iconButton} from "./dom.js";
import {request} from "./link.js";

/** Open the list. */
export function openPresets(state, act) {
  const search = h("input", {type: "search", placeholder: "Search presets", "aria-label": "Search presets"});
  const list = h("div", {class: "choices", role: "list"});
  const name = h("input", {type: "text", "aria-label": "Name of the new preset", placeholder: "Name", value: state.name, maxlength: 80});
  let presets = state.presets;
  const save = async event => {
    event.preventDefault();
    const saved = await act(request("POST", "/presets", {name: name.value}));
    if (saved) box.close();
  };
  const box = dialog("Presets", search, list,
    h("form", {class: "line", onsubmit: save}, h("label", {}, "Save as", name), h("button", {class: "strong"}, "Save")));
  const rename = one => {
    const field = h("input", {type: "text", value: one.name, "aria-label": `New name of ${one.name}`, maxlength: 80});
    const row = list.querySelector(`[data-name="${CSS.escape(one.name)}"]`);
    const end = async keep => {
      if (keep && field.value !== one.name) {
        const renamed = await act(request("POST", `/presets/${encodeURIComponent(one.name)}/rename`, {name: field.value}));
        if (renamed) presets = presets.map(other => other === one ? {...one, name: renamed.name} : other);
      }
      show();
    };
    field.addEventListener("keydown", event => {
      if (event.key === "Enter") { event.preventDefault(); end(true); }
      if (event.key === "Escape") { event.preventDefault(); end(false); }
    });
    row.replaceChildren(field, h("button", {type: "button", class: "strong", onclick: () => end(true)}, "Rename"));
    field.select();
  };
  const row = one => h("div", {class: "preset-row", role: "listitem", "data-name": one.name},
    h("button", {type: "button", class: "choice", "aria-current": one.name === state.name ? "true" : null, onclick: () => {
      box.close();
      act(request("POST", `/presets/${encodeURIComponent(one.name)}/open`));
    }}, h("strong", {}, one.name), h("span", {}, one.description || (one.own ? "yours" : ""))),
    one.own ? iconButton("edit", `Rename ${one.name}`, () => rename(one)) : null);
  const show = () => {
    const words = search.value.toLowerCase();
    const fits = presets.filter(one => `${one.name} ${one.description}`.toLowerCase().includes(words));
    list.replaceChildren(...(fits.length ? fits.map(row) : [h("p", {class: "none"}, "No preset is called so.")]));
  };
  search.addEventListener("input", show);
  search.addEventListener("keydown", event => { if (event.key === "Enter") { event.preventDefault(); list.querySelector(".choice")?.click(); } });
  show();
  search.focus();
}
