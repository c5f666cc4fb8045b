package io.sails4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/**
 * What this program was built from.
 *
 * @param commit of the sources, {@code unknown} outside a git checkout, with {@code +changes} where files differed from it
 */
record BuildInfo(String version, String commit) {
    static BuildInfo read() {
        try (InputStream in = BuildInfo.class.getResourceAsStream("/io/sails4j/build.properties")) {
            Properties properties = new Properties();
            if (in != null) {
                properties.load(in);
            }
            return new BuildInfo(properties.getProperty("version", "unknown"), properties.getProperty("commit", "unknown"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read build.properties: " + e.getMessage(), e);
        }
    }

    /** For {@code sails --version}. */
    static final class Provider implements IVersionProvider {
        @Override
        public String[] getVersion() {
            BuildInfo build = read();
            return new String[] {"sails4j " + build.version() + ", commit " + build.commit()};
        }
    }
}
