#!/usr/bin/env bash
# A user's project outside the repository: it names the library by its coordinates alone, compiles with every warning an error, and runs,
# on the class path and on the module path, and as a service with threads and a log of its own. Called by Maven:
#   consumer-test.sh <working directory> <library's jar> <local Maven repository> <versions of the compiler and dependency plugins...>
# The local repository is read through links, so that nothing is installed into it.
set -euo pipefail
work=$1
jar=$2
repository=$3
compiler=org.apache.maven.plugins:maven-compiler-plugin:$4
dependency=org.apache.maven.plugins:maven-dependency-plugin:$5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

rm -rf "$work"
mkdir -p "$work/repository/io"
for entry in "$repository"/* "$repository"/io/*; do
  name=${entry#"$repository"/}
  [ "$name" = io ] || [ "$name" = io/sails4j ] || ln -s "$entry" "$work/repository/$name"
done
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cp -R "$here/pom.xml" "$here/src" "$project"

JAVA_HOME=$("$root/sails" java-home)
export JAVA_HOME
# Maven's own libraries; without the option a newer JDK warns of them.
export MAVEN_OPTS="${MAVEN_OPTS:-} -XX:TieredStopAtLevel=1 --sun-misc-unsafe-memory-access=allow"
# What the jar brings, and not what lies beside it.
unset SAILS_LIBRARY_DIR
maven=(mvn -q -B "-Dmaven.repo.local=$work/repository")
cd "$project"
# As an installation lays them out.
install() {
  mkdir -p "$work/repository/io/sails4j/$1/$version"
  cp "$2" "$work/repository/io/sails4j/$1/$version/$1-$version.pom"
}
version=$(basename "$jar" .jar)
version=${version#sails4j-}
install sails4j-parent "$root/pom.xml"
install sails4j "$root/java-api/pom.xml"
cp "$jar" "$work/repository/io/sails4j/sails4j/$version/"
"${maven[@]}" "$compiler:compile" "$dependency:build-classpath" \
  -Dmdep.outputFile="$work/classpath"
classpath=$(cat "$work/classpath")
# -Werror with -Xlint:all, which the property of one argument cannot say.
"$JAVA_HOME/bin/javac" -Xlint:all -Werror -d "$work/classes" -cp "$classpath" src/main/java/consumer/*.java
# Which log there is, is the host's to say: logback, in this project's pom.
if [[ $classpath =~ slf4j-(nop|simple|jdk14|reload4j) ]]; then
  echo "consumer: the library brings $(basename "${BASH_REMATCH[0]}"), expected none of slf4j's providers" >&2
  exit 1
fi
# The host's log is on standard output, too; the last line is the consumer's.
on_class_path=$("$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED -cp "target/classes:$classpath" consumer.Consumer | tail -n 1)
on_module_path=$("$JAVA_HOME/bin/java" --enable-native-access=io.sails4j,ai.djl.tokenizers,com.sun.jna --module-path "$classpath" \
  --add-modules io.sails4j -cp target/classes consumer.Consumer | tail -n 1)
echo "consumer: $on_class_path; $on_module_path"
[ "$on_class_path" = "tokens 6, turn rendered, features active, module null" ]
[ "$on_module_path" = "tokens 6, turn rendered, features active, module io.sails4j" ]
"$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED -cp "target/classes:$classpath" consumer.Service
