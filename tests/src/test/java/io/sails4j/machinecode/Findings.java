package io.sails4j.machinecode;

import io.sails4j.machinecode.Instruction.Operation;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a kernel's machine code shows, by the names of {@code kernels/promises.txt}.
 *
 * @param numbers counts by name
 * @param order products, waits and the work between them, as they stand in the code
 */
record Findings(Map<String, Integer> numbers, List<String> order) {

    /** Less between two products or waits is not shown as work. */
    private static final int LEAST_SPECIAL_FUNCTIONS = 8;

    private static final int LEAST_FLOATS = 100;

    static final List<String> NAMES = List.of(
        "bytes",
        "registers",
        "stack",
        "spills",
        "loads.8",
        "loads.16",
        "loads.32",
        "loads.64",
        "loads.128",
        "stores.8",
        "stores.16",
        "stores.32",
        "stores.64",
        "stores.128",
        "regions",
        "regions-of-one",
        "waits",
        "loads-before-wait",
        "products",
        "lone-products");

    static Findings of(Cubin.Kernel kernel) {
        Map<String, Integer> numbers = new TreeMap<>();
        NAMES.forEach(name -> numbers.put(name, 0));
        numbers.put("bytes", kernel.instructions().size() * Instruction.BYTES);
        numbers.put("registers", kernel.registers());
        numbers.put("stack", kernel.stack());
        countAccesses(numbers, kernel.instructions());
        countRegions(numbers, kernel.instructions());
        List<String> order = order(kernel.instructions());
        countProducts(numbers, order);
        return new Findings(numbers, List.copyOf(order));
    }

    private static void add(Map<String, Integer> numbers, String name, int count) {
        numbers.merge(name, count, Integer::sum);
    }

    private static void countAccesses(Map<String, Integer> numbers, List<Instruction> instructions) {
        for (Instruction instruction : instructions) {
            switch (instruction.operation()) {
                case LOAD_GLOBAL -> {
                    add(numbers, "loads." + instruction.accessBits(), 1);
                    if (numbers.getOrDefault("waits", 0) == 0) {
                        add(numbers, "loads-before-wait", 1);
                    }
                }
                case STORE_GLOBAL, STORE_GENERIC -> add(numbers, "stores." + instruction.accessBits(), 1);
                case LOAD_LOCAL, STORE_LOCAL -> add(numbers, "spills", 1);
                case GRIDS_WAIT -> add(numbers, "waits", 1);
                default -> {}
            }
        }
        // Of a kernel that waits for none, all loads would stand before the wait.
        if (numbers.getOrDefault("waits", 0) == 0) {
            numbers.put("loads-before-wait", 0);
        }
    }

    /** Stretches between a branch and where its lanes meet again; those of one special function are a chain for each element. */
    private static void countRegions(Map<String, Integer> numbers, List<Instruction> instructions) {
        int inside = -1;
        for (Instruction instruction : instructions) {
            switch (instruction.operation()) {
                case REGION_BEGIN -> {
                    add(numbers, "regions", 1);
                    inside = 0;
                }
                case REGION_END -> {
                    add(numbers, "regions-of-one", inside == 1 ? 1 : 0);
                    inside = -1;
                }
                case SPECIAL_FUNCTION -> inside += inside < 0 ? 0 : 1;
                default -> {}
            }
        }
    }

    /** SSxN, RSxN (A from registers): N products; wait<N>; work(M, F): M special functions and F float instructions. */
    private static List<String> order(List<Instruction> instructions) {
        List<String> order = new ArrayList<>();
        int special = 0;
        int floats = 0;
        int run = 0;
        Operation running = Operation.OTHER;
        for (Instruction instruction : instructions) {
            Operation operation = instruction.operation();
            boolean product = operation == Operation.PRODUCT_SHARED || operation == Operation.PRODUCT_REGISTERS;
            if (!product && operation != Operation.WARPGROUP) {
                special += operation == Operation.SPECIAL_FUNCTION ? 1 : 0;
                floats += operation.isFloat() ? 1 : 0;
                continue;
            }
            boolean work = special > LEAST_SPECIAL_FUNCTIONS || floats > LEAST_FLOATS;
            if (run > 0 && (operation != running || work)) {
                order.add(products(running, run));
                run = 0;
            }
            if (work) {
                order.add("work(" + special + ", " + floats + ")");
            }
            special = floats = 0;
            if (product) {
                running = operation;
                run++;
            } else if (instruction.waits()) {
                order.add("wait<" + instruction.left() + ">");
            }
        }
        if (run > 0) {
            order.add(products(running, run));
        }
        return order;
    }

    private static String products(Operation operation, int count) {
        return (operation == Operation.PRODUCT_SHARED ? "SSx" : "RSx") + count;
    }

    /** Products that are waited for one by one are what ptxas makes where it may not let them run side by side. */
    private static void countProducts(Map<String, Integer> numbers, List<String> order) {
        for (int i = 0; i < order.size(); i++) {
            String event = order.get(i);
            if (event.startsWith("SSx") || event.startsWith("RSx")) {
                add(numbers, "products", Integer.parseInt(event.substring(3)));
                boolean lone = event.endsWith("Sx1") && i + 1 < order.size() && order.get(i + 1).equals("wait<0>");
                add(numbers, "lone-products", lone ? 1 : 0);
            }
        }
    }

    /** Whether the events of a promise follow each other somewhere; "work" stands for any work. */
    boolean shows(List<String> events) {
        for (int from = 0; from + events.size() <= order.size(); from++) {
            boolean all = true;
            for (int i = 0; all && i < events.size(); i++) {
                String event = order.get(from + i);
                all = events.get(i).equals("work") ? event.startsWith("work(") : events.get(i).equals(event);
            }
            if (all) {
                return true;
            }
        }
        return false;
    }
}
