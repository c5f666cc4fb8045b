package com.example.chat;

import io.sails4j.data.ChatTemplate;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.serving.TextService;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/**
 * Three beans that hold memory. Spring closes each before those that it was made from: the service, then the model, then the engine, once
 * the web server has let the requests under way end.
 */
@SpringBootApplication(proxyBeanMethods = false)
public class ChatApplication {
    /** Starts the service. */
    public static void main(String[] args) {
        SpringApplication.run(ChatApplication.class, args);
    }

    @Bean
    Engine engine(@Value("${sails.backend}") String backend) {
        return Engine.open(new EngineOptions(backend, 0, ""));
    }

    @Bean
    CausalModel model(Engine engine, @Value("${sails.model}") Path directory) {
        return CausalModel.load(directory, engine, ModelOptions.defaults());
    }

    @Bean
    TextService service(CausalModel model, @Value("${sails.model}") Path directory) {
        return TextService.open(model, directory, new LinkedHashMap<>(Map.of("model", AdapterStack.none())), ChatTemplate.CHECKPOINT,
            SchedulerOptions.defaults());
    }
}
