/** A service of one page: a model that answers and streams over HTTP. */
@NullMarked
package com.example.chat;

import org.jspecify.annotations.NullMarked;
