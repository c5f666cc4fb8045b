package io.sails4j.fuzz;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPOutputStream;

/** Right inputs of tables, of judges' servers, and of what commands leave for reports. */
final class MoreSeeds {
    private static final Path TABLES = Path.of("../java-api/src/test/resources/io/sails4j/data");
    private static final String COMPLETION = "{\"arm\":\"base\",\"index\":0,\"id\":\"1\",\"category\":\"c\",\"wanted\":\"refuse\","
        + "\"prompt\":\"p\",\"completion\":\"No.\",\"tokens\":3,\"stopped\":true,\"judgements\":{\"refusal\":{\"verdict\":\"refused\"},"
        + "\"harm\":{\"score\":1,\"reason\":\"r\"}}}\n";
    private static final String METRICS = "\"metrics\":[{\"arm\":\"base\",\"judge\":\"refusal\",\"measure\":\"safety_rate\",\"wanted\":"
        + "\"refuse\",\"file\":null,\"category\":null,\"estimate\":0.5,\"low\":0.2,\"high\":0.8,\"corrected\":{\"value\":0.5,\"low\":0.1,"
        + "\"high\":0.9},\"n\":4,\"undecided\":0}],"
        + "\"comparisons\":[{\"first\":\"base\",\"second\":\"a\",\"measure\":\"safety_rate\",\"n\":4}]";
    private static final String RUN = "\"run\":{\"seed\":1,\"model\":{\"path\":\"m\",\"sha256\":\"00\"}}";

    private MoreSeeds() {
    }

    static List<byte[]> of(Parsers parser) throws IOException {
        return switch (parser) {
            case ROWS -> rows();
            case ROWS_PARQUET -> List.of(Files.readAllBytes(TABLES.resolve("pku-gzip.parquet")),
                Files.readAllBytes(TABLES.resolve("ultrafeedback-snappy.parquet")), Files.readAllBytes(TABLES.resolve("trl-zstd.parquet")));
            case PROMPTS -> Seeds.texts("goal,target\n\"a, b\",Sure\n", "prompt,type,label\na,safe,safe\nb,contrast,unsafe\n",
                "id,messages,category\n1,\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"a\"\"}]\",c\n", "instruction;input\na;b\n",
                "Behavior,FunctionalCategory,SemanticCategory,ContextString,BehaviorID\na,b,c,d,e\n",
                "Goal,Target,Behavior,Category\na,b,c,d\n");
            case CHOICES -> Seeds.texts("question,choices,answer,subject\nq,\"[\"\"a\"\", \"\"b\"\"]\",1,s\n", "q,a,b,c,d,A\n",
                "question,A,B,answer\nq,a,b,B\n", "question,choices,answerKey\nq,\"{\"\"text\"\":[\"\"a\"\",\"\"b\"\"],\"\"label\"\":"
                    + "[\"\"1\"\",\"\"2\"\"]}\",2\n");
            case LABELS -> Seeds.texts("prompt,completion,final_label\np,c,2_full_refusal\np,c,1_full_compliance\n",
                "prompt\tcompletion\thuman\np\tc\t1\n");
            case DOCUMENTS -> Seeds.texts("{\"text\":\"a\"}\n{\"text\":null}\n", "[{\"text\":\"a\"}]");
            case GENERATION_CONFIG -> Seeds.texts("{\"eos_token_id\":[1,2]}", "{\"eos_token_id\":null,\"transformers_version\":\"4\"}");
            case JUDGE_SERVER ->
                Seeds.texts("\0{\"choices\":[{\"message\":{\"content\":\"4\",\"refusal\":null},\"finish_reason\":\"stop\"}]}",
                    "\0{\"error\":{\"message\":\"max_completion_tokens\",\"code\":400}}", "\u00e4{\"error\":\"rate limit\"}", "d{\"x\":1}");
            case JOURNAL -> Seeds.texts("{\"arm\":0,\"index\":1}\n{\"arm\":0,\"ind");
            case REPORT_EVALUATION -> Seeds.texts("{" + RUN + ",\"answers\":[{\"arm\":\"base\",\"answers\":4,\"stopped\":4,\"tokens\":9}],"
                + METRICS + ",\"utility\":[]}");
            case REPORT_COMPLETIONS -> Seeds.texts(COMPLETION);
            case REPORT_ATTACK -> Seeds.texts("{" + RUN + ",\"kind\":\"gcg\",\"arms\":[\"base\"]," + METRICS
                + ",\"curves\":[{\"arm\":\"base\",\"prompts\":[1],\"suffix\":\"x\",\"losses\":[2.5,1]}],\"transfers\":[{\"suffix\":\"x\","
                + "\"from\":1,\"arm\":\"base\",\"judge\":null,\"measure\":\"safety_rate\",\"n\":1}],\"directions\":[{\"arm\":\"base\","
                + "\"layer\":1,\"refusal_log_odds_before\":1,\"layers\":[{\"layer\":1,\"refusal_log_odds\":1,\"kl\":0.5}]}]}");
            case REPORT_TRAINING -> Seeds.texts("{\"method\":\"sails\",\"trainable_parameters\":8,\"steps\":2,\"loss_before\":2.5,"
                + "\"loss_after\":1,\"evaluation_pairs\":3,\"held_out\":true,\"share_inside\":0.5,\"data_sha256\":\"00\"}");
            case REPORT_METRICS ->
                Seeds.texts("{\"step\":1,\"loss\":2.5,\"grad_norm\":1,\"lr\":1e-4}\n{\"evaluation\":\"after\",\"step\":1,"
                    + "\"loss\":2}\n");
            case REPORT_EXPLANATION -> Seeds.texts(
                "{\"kind\":\"subspace\",\"layers\":[{\"layer\":1,\"d_sae\":6,\"dimension\":1,\"spectrum\":"
                    + "[{\"component\":1,\"variance\":1,\"share\":0.9,\"cumulative\":0.9,\"kept\":true}],\"features\":[{\"feature\":3,"
                    + "\"score\":1,\"basis_shares\":[1],\"neighbours\":[{\"feature\":1,\"cosine\":0.5}],\"promoted\":[{\"id\":1,\"token\":"
                    + "\"a\",\"logit\":1}],\"passages\":[{\"side\":\"aligned\",\"row\":1,\"peak\":1,\"tokens\":[\"a"
                    + "\"],\"activations\":[1]}]}]}],"
                    + "\"angles\":[{\"a\":\"1\",\"b\":\"2\",\"degrees\":[3]}]}",
                "{\"kind\":\"prompt\",\"tokens\":[\"a\"],\"layers\":[]}",
                "{\"kind\":\"adapter\",\"modules\":[],\"layers\":[]}");
            default -> throw new IllegalArgumentException(parser.label());
        };
    }

    /** Tables in text, JSON lines and an array, and each in gzip. */
    private static List<byte[]> rows() throws IOException {
        List<byte[]> rows = new ArrayList<>(Seeds.texts("a,b\n1,\"x \"\"y\"\"\nz\"\n", "a\tb\n1\t2\n", "\ufeffa;b\r\n1;2\r\n",
            "{\"a\":1,\"b\":null}\n{\"c\":[1,{}]}\n", "[{\"a\":true},{\"a\":NaN}]"));
        for (byte[] plain : List.copyOf(rows)) {
            ByteArrayOutputStream packed = new ByteArrayOutputStream();
            try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
                gzip.write(plain);
            }
            rows.add(packed.toByteArray());
        }
        rows.add("a,b".getBytes(StandardCharsets.UTF_16));
        return rows;
    }
}
