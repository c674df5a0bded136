for (const table of document.querySelectorAll(".table-wrapper")) {
    table.classList.toggle("scrolls", table.scrollWidth > table.clientWidth);
}
