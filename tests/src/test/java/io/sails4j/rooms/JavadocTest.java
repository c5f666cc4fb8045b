package io.sails4j.rooms;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ExportsTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * Every exported type, method, constructor and constant has a sentence. Left out: what overrides, a record's canonical constructor,
 * constants of an enum and a builder's fields, whose sentences are the type's and the components'. That sentences are well formed, the
 * build's javadoc checks.
 */
class JavadocTest {
    private static final Path SOURCES = Path.of("../java-api/src/main/java");
    private static final Path LANGCHAIN = Path.of("../langchain4j/src/main/java");

    /** With the package of an automatic module, which exports everything. */
    private final Set<String> exported = new HashSet<>(Set.of("io.sails4j.langchain4j"));
    private final List<String> missing = new ArrayList<>();
    private int seen;

    @Test
    void everyExportedMemberHasASentence() throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null);
             Stream<Path> library = Files.walk(SOURCES);
             Stream<Path> langchain = Files.walk(LANGCHAIN)) {
            List<Path> sources = Stream.concat(library, langchain).filter(f -> f.toString().endsWith(".java")).toList();
            JavacTask task = (JavacTask) compiler.getTask(null, files, null, List.of("-proc:none"), null,
                files.getJavaFileObjectsFromPaths(sources));
            DocTrees docs = DocTrees.instance(task);
            List<CompilationUnitTree> units = new ArrayList<>();
            task.parse().forEach(units::add);
            for (CompilationUnitTree unit : units) {
                if (unit.getModule() != null) {
                    unit.getModule().getDirectives().stream().filter(ExportsTree.class::isInstance)
                        .forEach(d -> exported.add(((ExportsTree) d).getPackageName().toString()));
                }
            }
            for (CompilationUnitTree unit : units) {
                if (unit.getPackageName() != null && exported.contains(unit.getPackageName().toString())) {
                    new Members(unit, docs).scan(unit, null);
                }
            }
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        assertThat(seen).isGreaterThan(500);
        assertThat(missing).as("exported members without a sentence").isEmpty();
    }

    private static boolean isComponent(Tree member) {
        return member instanceof VariableTree field && !field.getModifiers().getFlags().contains(Modifier.STATIC);
    }

    /** The members of one file that a user can reach. */
    private final class Members extends TreePathScanner<Void, Void> {
        private final CompilationUnitTree unit;
        private final DocTrees docs;

        private Members(CompilationUnitTree unit, DocTrees docs) {
            this.unit = unit;
            this.docs = docs;
        }

        @Override
        public Void visitClass(ClassTree type, Void nothing) {
            if (!reachable(type.getModifiers())) {
                return null;
            }
            require(type.getSimpleName().toString());
            return super.visitClass(type, nothing);
        }

        @Override
        public Void visitMethod(MethodTree method, Void nothing) {
            boolean overrides = method.getModifiers().getAnnotations().stream()
                .anyMatch(a -> a.getAnnotationType().toString().equals("Override"));
            if (reachable(method.getModifiers()) && !overrides && !isCompact(method)) {
                require(method.getName() + method.getParameters().toString());
            }
            return null;
        }

        @Override
        public Void visitVariable(VariableTree field, Void nothing) {
            Set<Modifier> modifiers = field.getModifiers().getFlags();
            if (getCurrentPath().getParentPath().getLeaf() instanceof ClassTree type && type.getKind() != Tree.Kind.ENUM
                && type.getKind() != Tree.Kind.RECORD && reachable(field.getModifiers()) && modifiers.contains(Modifier.FINAL)) {
                require(field.getName().toString());
            }
            return null;
        }

        /** The members of an interface are public without a word. */
        private boolean reachable(ModifiersTree modifiers) {
            TreePath parent = getCurrentPath().getParentPath();
            boolean implicit = parent.getLeaf() instanceof ClassTree outer
                && (outer.getKind() == Tree.Kind.INTERFACE || outer.getKind() == Tree.Kind.ANNOTATION_TYPE);
            Set<Modifier> flags = modifiers.getFlags();
            return implicit ? !flags.contains(Modifier.PRIVATE) : flags.contains(Modifier.PUBLIC) || flags.contains(Modifier.PROTECTED);
        }

        /** The parser gives a compact constructor all components of its record as parameters. */
        private boolean isCompact(MethodTree method) {
            return getCurrentPath().getParentPath().getLeaf() instanceof ClassTree type && type.getKind() == Tree.Kind.RECORD
                && method.getName().contentEquals("<init>")
                && method.getParameters().size() == type.getMembers().stream().filter(JavadocTest::isComponent).count();
        }

        private void require(String what) {
            seen++;
            String comment = docs.getDocComment(getCurrentPath());
            if (comment == null || docs.getDocCommentTree(getCurrentPath()).getFullBody().isEmpty()) {
                long at = docs.getSourcePositions().getStartPosition(unit, getCurrentPath().getLeaf());
                missing.add(Path.of(unit.getSourceFile().getName()) + ":" + unit.getLineMap().getLineNumber(at) + " " + what);
            }
        }
    }
}
