package io.sails4j.report.page;

/**
 * A section of the page.
 *
 * @param id of the element
 */
public record Section(String id, String title, SectionBody body) {
}
