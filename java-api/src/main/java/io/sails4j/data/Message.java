package io.sails4j.data;

/** One turn of a conversation. Role {@code user} or {@code assistant} ({@code model} is the same). */
public record Message(String role, String content) {
}
