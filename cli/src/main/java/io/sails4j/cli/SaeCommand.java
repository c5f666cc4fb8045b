package io.sails4j.cli;

import picocli.CommandLine.Command;

@Command(name = "sae", description = "Train sparse autoencoders, and measure them.",
    subcommands = {SaeTrainCommand.class, SaeEvalCommand.class})
final class SaeCommand {
}
