"use strict";
const data = JSON.parse(document.getElementById("crew-data").textContent);
const panel = document.getElementById("call");

function line(text) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  return paragraph;
}

function show(bar) {
  const call = data.calls[Number(bar.dataset.call)];
  const cost = call.cost_usd === null ? "unknown" : "$" + call.cost_usd;
  for (const other of document.querySelectorAll(".bar[aria-pressed]")) {
    other.removeAttribute("aria-pressed");
  }
  bar.setAttribute("aria-pressed", "true");
  panel.replaceChildren(
    line(call.role + (call.task ? ", task " + call.task : "") + ": " + call.deployment +
      " (" + call.provider + "), " + (call.outcome === "ok" ? "answered" : call.outcome)),
    line("Why this deployment: " + (call.reason || "it is the first of its chain and was open")),
    line(call.input_tokens + " tokens in (" + call.cached_tokens + " cached), " +
      call.output_tokens + " out, " + cost + ", " + call.seconds + " s"));
  panel.hidden = false;
}

document.addEventListener("click", (event) => {
  const bar = event.target.closest(".bar");
  if (bar) show(bar);
  const button = event.target.closest(".copy");
  if (button) {
    const text = button.dataset.copy;
    // Pages from a file may not write to the clipboard everywhere: then select it.
    const select = () => getSelection().selectAllChildren(button.previousElementSibling);
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(
      () => { button.firstChild.textContent = "Copied"; }, select);
    else select();
  }
});

document.addEventListener("keydown", (event) => {
  const bar = event.target.closest && event.target.closest(".bar");
  if (!bar || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const next = event.key === "ArrowLeft" ? bar.previousElementSibling : bar.nextElementSibling;
  if (next && next.matches(".bar")) next.focus();
});
