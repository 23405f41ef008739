/* Progress without reloading by hand: how far a file has been sent, and how far a batch is worked.
   The pages do the same without it. It shows what pages of this console say, makes no markup of its
   own, keeps nothing and asks no other place. It stands in the page, allowed there by its hash. */
"use strict";

const EVERY_MS = 2000;

function watch(part) {
  // A batch that is not over: its numbers are read from the same page, until it is.
  const timer = setInterval(async () => {
    let page;
    try {
      const answer = await fetch(location.href, { redirect: "error", cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      clearInterval(timer); // logged out, deleted, or the node is away: the link to reload stays
      return;
    }
    const fresh = page.getElementById("live");
    if (!fresh || fresh.dataset.over) {
      clearInterval(timer);
      location.reload(); // the result and what can be done now are on the whole page
      return;
    }
    for (const old of part.querySelectorAll("[data-live]")) {
      const found = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
      if (!found) continue;
      if (old.tagName === "PROGRESS") old.value = found.value;
      else if (old.textContent !== found.textContent) old.textContent = found.textContent;
    }
  }, EVERY_MS);
}

function accompany(form) {
  // A file on its way: the browser shows nothing, so the share that was sent is said.
  const bar = document.getElementById("sent");
  const said = document.getElementById("sent-text");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const request = new XMLHttpRequest();
    request.upload.onprogress = (step) => {
      if (!step.lengthComputable) return;
      bar.value = Math.floor((100 * step.loaded) / step.total);
      said.textContent = bar.value < 100 ? `Sent: ${bar.value} %` : "Sent; the node checks it";
    };
    request.onload = () => {
      // After a redirect this is the batch's page; else it is the form with what is wrong.
      if (request.responseURL !== form.action) {
        location.assign(request.responseURL);
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const fresh = page.querySelector("main");
      if (!fresh) return request.onerror();
      document.querySelector("main").replaceWith(document.adoptNode(fresh));
      begin();
      const wrong = document.querySelector("[role=alert]") || document.getElementById("main");
      wrong.tabIndex = -1;
      wrong.focus();
    };
    request.onerror = () => {
      said.textContent = "The node could not be reached. Send the file again.";
      button.disabled = false;
    };
    request.open("POST", form.action);
    bar.parentElement.hidden = false;
    button.disabled = true;
    request.send(new FormData(form));
  });
}

function begin() {
  const live = document.getElementById("live");
  if (live && !live.dataset.over) watch(live);
  const upload = document.querySelector("form[enctype='multipart/form-data']");
  if (upload && document.getElementById("sent")) accompany(upload);
}

begin();
