/** Elements, by few words. What is shown is set as text, never as markup. */

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (name) made.className = `ipyxterm-${name}`;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(label: string, sign: string, act: () => void): HTMLButtonElement {
  const made = element("button", "", { type: "button", title: label, "aria-label": label }, sign);
  made.onclick = act;
  return made;
}
