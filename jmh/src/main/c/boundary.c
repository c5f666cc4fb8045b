/* What reaching native code costs: a function that does nothing and one that copies, by Panama and by JNI. */
#include <jni.h>
#include <stdint.h>
#include <string.h>

/* Not inlined anywhere, not empty to the linker: by its address it is what any function is. */
void boundary_empty(void) {}

/* destination [bytes] = source [bytes]. */
void boundary_copy(void *destination, const void *source, int64_t bytes) { memcpy(destination, source, (size_t)bytes); }

JNIEXPORT void JNICALL Java_io_sails4j_jmh_Boundary_empty(JNIEnv *env, jclass type) {
  (void)env;
  (void)type;
}

/* destination, an address, [bytes] = source, a Java array. */
JNIEXPORT void JNICALL Java_io_sails4j_jmh_Boundary_copy(JNIEnv *env, jclass type, jlong destination, jbyteArray source, jint bytes) {
  (void)type;
  (*env)->GetByteArrayRegion(env, source, 0, bytes, (jbyte *)(intptr_t)destination);
}
