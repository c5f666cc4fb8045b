package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates rendered as Jinja 3.1.6 did it with trim_blocks, lstrip_blocks and loop controls, as transformers sets it up. */
class JinjaTemplateTest {
    private static final List<Message> HI = List.of(new Message("user", "hi"));

    @TestFactory
    Stream<DynamicTest> whatJinjaMakesOfIt() throws IOException {
        JsonNode cases;
        try (InputStream in = Objects.requireNonNull(JinjaTemplateTest.class.getResourceAsStream("templates.json"))) {
            cases = new ObjectMapper().readTree(in);
        }
        assertThat(cases).hasSizeGreaterThan(30);
        return StreamSupport.stream(cases.spliterator(), false).map(c -> dynamicTest(c.get("name").asText(), () -> {
            List<Message> messages = new ArrayList<>();
            c.get("messages").forEach(m -> messages.add(new Message(m.get("role").asText(), m.get("content").asText())));
            JinjaTemplate template = new JinjaTemplate("t", c.get("template").asText());
            if (c.has("refused")) {
                assertThatThrownBy(() -> template.render(messages, c.get("opening").asBoolean(), "<bos>", "<eos>"))
                    .isInstanceOf(InputException.class).hasMessageContaining(c.get("refused").asText());
            } else {
                assertThat(template.render(messages, c.get("opening").asBoolean(), "<bos>", "<eos>"))
                    .isEqualTo(c.get("expected").asText());
            }
        }));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(100000000) %}x{% endfor %}",
        "{% set x = 'aaaaaaaaaa' %}{% for a in range(64) %}{% set x = x + x %}{{ x }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include '/etc/passwd' %}", "{% extends 'a' %}", "{% import 'a' as b %}", "{% from 'a' import b %}",
        "{{ ''.getClass() }}", "{{ messages.getClass().forName('java.lang.Runtime') }}", "{{ messages.add('x') }}",
        "{{ 'x'.repeat(1000000000) }}", "{{ strftime_now('%Y') }}", "{{ 'x'|no_such_filter }}", "{{ 'ab c'|truncate(3) }}",
        "{{ 'x'|center(9) }}", "{{ 2.5|round }}", "{{ 'x'|datetimeformat }}", "{% no_such_tag %}",
        "{% for m in messages if m.role %}{% endfor %}", "{% for m in messages %}{% else %}x{% endfor %}", "{{ 'x' ", "{% if true %}",
        "{# never", "{% raw %}", "{{ raise_exception('no') }}"})
    void whatLeavesItsBoundsIsRefused(String source) {
        assertThatThrownBy(() -> new JinjaTemplate("t", source).render(HI, true, "<bos>", "<eos>")).isInstanceOf(InputException.class)
            .hasMessageStartingWith("t: the chat template");
    }

    /** What the engine does otherwise in silence; the right sides are Jinja 3.1.6's. */
    @ParameterizedTest
    @CsvSource(delimiter = '#', quoteCharacter = '"', value = {"{{ messages[0].content[0] }}#h", "{{ messages[0].content[-1] }}#i",
        "{{ messages[0].content | first }}#h", "{{ 'ab' | last }}#b", "[{{ nothing | trim }}]#[]", "[{{ nothing | string }}]#[]",
        "{% if 'a' is iterable and {'a': 1} is sequence %}Y{% endif %}#Y", "{% if 3 is iterable %}Y{% else %}N{% endif %}#N",
        "{{ (messages | first).role }}#user"})
    void textsAndMappingsAreJinjas(String source, String expected) {
        assertThat(new JinjaTemplate("t", source).render(HI, true, "<bos>", "<eos>")).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{{ ''.class }}", "{{ messages.class }}", "{{ messages[0].class.name }}",
        "{{ ____int3rpr3t3r____.config }}"})
    void nothingOfJavaCanBeSeen(String source) {
        String output;
        try {
            output = new JinjaTemplate("t", source).render(HI, true, "<bos>", "<eos>");
        } catch (InputException e) {
            return;
        }
        assertThat(output).isEmpty();
    }

    @Test
    void whatAMessageSaysIsNoTemplate() {
        assertThat(
            new JinjaTemplate("t", "{{ messages[0].content }}").render(List.of(new Message("user", "{{ bos_token }}{% if %}{# ")), true,
                "<bos>", "<eos>"))
            .isEqualTo("{{ bos_token }}{% if %}{# ");
    }
}
