package io.sails4j.data;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModelFamily;
import java.util.Arrays;
import java.util.List;

/** The control tokens of each family's tokenizer; a tokenizer belongs to the family whose beginning of text it has. */
public enum ControlTokens {
    /** google/gemma-2-2b-it tokenizer_config.json. */
    GEMMA("gemma2", "<bos>", List.of("<eos>", "<end_of_turn>"), List.of("<start_of_turn>", "<end_of_turn>"),
        List.of("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")),
    /** meta-llama/Llama-3.1-8B-Instruct tokenizer_config.json. */
    LLAMA3("llama3", "<|begin_of_text|>", List.of("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
        List.of("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        List.of("<|begin_of_text|>", "<|end_of_text|>", "<unk>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"));

    private final String template;
    private final String bos;
    private final List<String> stops;
    private final List<String> turns;
    private final List<String> learnt;

    ControlTokens(String template, String bos, List<String> stops, List<String> turns, List<String> learnt) {
        this.template = template;
        this.bos = bos;
        this.stops = stops;
        this.turns = turns;
        this.learnt = learnt;
    }

    /** The name of the chat template that is made of them. */
    String template() {
        return template;
    }

    static ControlTokens ofTemplate(String name) {
        return Arrays.stream(values()).filter(control -> control.template.equals(name)).findFirst().orElseThrow();
    }

    /** The beginning of a text. */
    public String bos() {
        return bos;
    }

    /** What ends an answer, as far as a tokenizer has it. */
    public List<String> stops() {
        return stops;
    }

    /** What the chat template is made of. */
    List<String> turns() {
        return turns;
    }

    /** What a tokenizer that is learnt from nothing gets, by id. */
    public List<String> learnt() {
        return learnt;
    }

    /** Those of a family. */
    public static ControlTokens of(ModelFamily family) {
        return switch (family) {
            case GEMMA2 -> GEMMA;
            case LLAMA -> LLAMA3;
        };
    }

    /** The configuration of a model whose tokenizer is learnt from nothing. */
    public static ModelConfig learntFor(ModelConfig config) {
        ControlTokens control = of(config.family());
        List<Integer> eosIds = control.stops.stream().filter(control.learnt::contains).map(control.learnt::indexOf).toList();
        int pad = control.learnt.indexOf("<pad>");
        return config.withTokens(control.learnt.indexOf(control.bos), eosIds, pad < 0 ? ModelConfig.NO_ID : pad);
    }
}
