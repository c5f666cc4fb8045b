/** What is generated from {@code src/main/jte}: nobody writes a class here, and nobody checks it for null. */
@NullUnmarked
package io.sails4j.report.templates;

import org.jspecify.annotations.NullUnmarked;
