package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;

/** Takes the records of a file one after another. */
@FunctionalInterface
interface RecordSink {
    /** A record and its number, from 1. */
    void accept(JsonNode value, long number);
}
