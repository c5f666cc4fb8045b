package io.sails4j.cli;

import picocli.CommandLine.Command;

@Command(name = "monitor", description = "Make monitors: rules that raise an alarm by features of SAEs while a model generates.",
    subcommands = MonitorCalibrateCommand.class)
final class MonitorCommand {
}
