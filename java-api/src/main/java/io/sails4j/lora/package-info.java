/** LoRA adapters (arXiv:2106.09685) and their files, as Hugging Face PEFT reads and writes them. */
@NullMarked
package io.sails4j.lora;

import org.jspecify.annotations.NullMarked;
