import { classColourVariables } from './figures/palette.js';

/** The colour variables of a light page, also for drawings that stand alone, and of a dark one. */
export const LIGHT_COLOURS = `--ink:#1c2430;--muted:#566271;--line:#d5dbe2;--surface:#fff;--page:#f6f7f9;--accent:#2458a6;--accent-2:#c96a14;--on-accent:#fff;--bad:#c4283c;--good:#1d7a46;--warn:#9a6400;--key:#888;${classColourVariables('light')}`;
export const DARK_COLOURS = `--ink:#e6eaf0;--muted:#a3aebb;--line:#37414d;--surface:#171c23;--page:#0f1318;--accent:#7fb0f5;--accent-2:#f0a35c;--on-accent:#0f1318;--bad:#ff7485;--good:#62cf93;--warn:#e8b34b;--key:#888;${classColourVariables('dark')}`;

/** The page's only style sheet: system fonts, colours by variable, light unless the reader's system is dark; print is light. */
export const STYLE = `
:root{color-scheme:light dark;${LIGHT_COLOURS}}
@media screen and (prefers-color-scheme:dark){:root{${DARK_COLOURS}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.page{max-width:1080px;margin:0 auto;padding:2.5rem 1.5rem 4rem}
header h1{font-size:1.9rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.01em;overflow-wrap:anywhere}
header p{margin:0;color:var(--muted);max-width:44rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:1.4rem 0 0;padding:.7rem 0;border-block:1px solid var(--line);font-size:.92rem}
nav a{color:var(--accent);text-decoration:none}
nav a:hover{text-decoration:underline}
a:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
section{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:1.4rem 1.6rem 1.6rem;margin-top:1.4rem;scroll-margin-top:1rem}
h2{font-size:1.25rem;margin:0 0 1rem;line-height:1.3}
h3{font-size:1.02rem;margin:1.4rem 0 .3rem}
h2+h3{margin-top:0}
p{margin:.5rem 0;max-width:46rem}
.verdict{border-left:4px solid var(--muted);padding:.1rem 0 .1rem 1rem;margin-bottom:1.3rem}
.verdict.ahead{border-color:var(--good)}
.verdict.level{border-color:var(--warn)}
.verdict.behind{border-color:var(--bad)}
.lead{font-size:1.18rem;line-height:1.5}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.6rem,1fr));gap:.8rem;margin:0 0 1.2rem}
.tiles div{border:1px solid var(--line);border-radius:8px;padding:.75rem .95rem;display:flex;flex-direction:column}
.tiles dt{order:2;font-size:.88rem}
.tiles dd{margin:0;font-size:1.75rem;line-height:1.25;font-weight:600;font-variant-numeric:tabular-nums}
.tiles dd.detail{order:3;font-size:.82rem;font-weight:400;line-height:1.4}
.detail{color:var(--muted)}
th .detail{display:block;font-weight:400;font-size:.84rem}
figure{margin:1rem 0 0;min-width:0}
.drawing{overflow-x:auto}
.drawing svg{display:block;width:100%;height:auto;margin:0 auto;color:var(--ink)}
.wide .drawing svg{min-width:34rem}
figcaption{color:var(--muted);font-size:.88rem;margin:.5rem auto 0;max-width:46rem;text-align:center}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 1.6rem;align-items:start}
.legend{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15.5rem),1fr));gap:.3rem 1.2rem;margin:1.2rem 0 .8rem;padding:0;font-size:.9rem}
.legend li{display:flex;align-items:baseline;gap:.55rem;overflow-wrap:anywhere}
.legend .detail{white-space:nowrap}
.key{flex:none;min-width:1.55rem;height:1.55rem;border-radius:1rem;border:2px solid var(--key);background:color-mix(in srgb,var(--key) 22%,transparent);font-size:.74rem;font-weight:700;line-height:1.35rem;text-align:center;font-variant-numeric:tabular-nums}
.hint{color:var(--muted);font-size:.88rem}
.notes{margin:1.2rem 0 0;padding-left:1.2rem;font-size:.94rem;max-width:46rem}
.notes li{margin:.25rem 0}
.scroll{overflow-x:auto;margin:.4rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);font-size:.88rem;padding-bottom:.4rem}
th,td{padding:.42rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline}
thead th{font-weight:600;white-space:nowrap;border-bottom-width:2px}
tbody th{font-weight:400;min-width:9rem}
#scores tbody th{min-width:11rem}
#scores thead th{white-space:normal;vertical-align:bottom;min-width:6rem}
tr.model th,tr.total th,tr.total td{font-weight:600}
td.model,th.model,tr.model{background:color-mix(in srgb,var(--accent) 9%,transparent)}
.number{text-align:right;white-space:nowrap}
.bar{display:block;width:7rem;height:.55rem;border-radius:.3rem;background:color-mix(in srgb,var(--ink) 10%,transparent)}
.bar span{display:block;height:100%;border-radius:.3rem;background:var(--accent)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.1rem 2rem;margin:.4rem 0 1rem;font-size:.92rem}
.facts div{display:grid;grid-template-columns:9rem 1fr;gap:.8rem;padding:.38rem 0;border-bottom:1px solid var(--line)}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.command{background:color-mix(in srgb,var(--ink) 7%,transparent);border-radius:5px;padding:.15rem .45rem;overflow-wrap:anywhere}
footer{color:var(--muted);font-size:.85rem;margin-top:1.6rem}
@media(max-width:640px){.page{padding:1.4rem .8rem 3rem}section{padding:1rem 1rem 1.2rem;border-radius:8px}header h1{font-size:1.5rem}.facts div{grid-template-columns:7.5rem 1fr}.bar{width:4rem}th,td{padding:.4rem .45rem}}
@media print{body{background:#fff;font-size:11pt}.page{max-width:none;padding:0}nav{display:none}section{border:0;border-top:1px solid var(--line);border-radius:0;padding:1rem 0;margin-top:1rem}figure,tr,.tiles,.verdict{break-inside:avoid}h2,h3,caption,thead{break-after:avoid}.drawing,.scroll{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.trim();
