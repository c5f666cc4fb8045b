/** A report as what templates show: sections, tables, and charts whose geometry is computed. */
@NullMarked
package io.sails4j.report.page;

import org.jspecify.annotations.NullMarked;
