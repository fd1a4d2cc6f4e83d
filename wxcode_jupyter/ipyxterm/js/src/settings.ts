/** What somebody has chosen, for all terminals of this browser. */

const KEY = "ipyxterm";
const DEFAULTS = { fontSize: 13, isReader: false };

type Settings = typeof DEFAULTS;

/** Kept as soon as they change; where the page has no storage (a sandboxed frame) for as long as it stands. */
export const settings: Settings = new Proxy(load(), {
  set(kept, name: keyof Settings, value: never) {
    kept[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch (error) {
      console.info("ipyxterm: settings are not kept", error);
    }
    return true;
  },
});

function load(): Settings {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>;
    return {
      fontSize: Number(kept.fontSize) || DEFAULTS.fontSize,
      isReader: kept.isReader === true,
    };
  } catch (error) {
    console.info("ipyxterm: no settings", error);
    return { ...DEFAULTS };
  }
}
