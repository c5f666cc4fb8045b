package io.sails4j.machinecode;

/**
 * One instruction of sm_80 to sm_90a: 128 bits, as two words. NVIDIA publishes no encoding; bits and numbers were found by comparing
 * machine code with the PTX that it came from (nvcc 13.0).
 */
record Instruction(long low, long high) {

    static final int BYTES = 16;

    /** What the checks tell apart; the numbers are bits 0 to 11. */
    enum Operation {
        LOAD_GLOBAL(0x981),
        STORE_GLOBAL(0x986),
        STORE_GENERIC(0x385),
        LOAD_LOCAL(0x983),
        STORE_LOCAL(0x387),
        SPECIAL_FUNCTION(0x308),
        REGION_BEGIN(0x945),
        REGION_END(0x941),
        GRIDS_WAIT(0x82e),
        GRIDS_TRIGGER(0x82d),
        PRODUCT_SHARED(0x9f0),
        PRODUCT_REGISTERS(0xdf0),
        WARPGROUP(0x9c5),
        FLOAT_ADD(0x221, 0x421, 0xc21, 0xe21, 0x821, 0x621),
        FLOAT_MULTIPLY(0x220, 0x420, 0xc20, 0xe20, 0x820, 0x620),
        FLOAT_MULTIPLY_ADD(0x223, 0x423, 0xc23, 0xe23, 0x823, 0x623),
        OTHER;

        private final int[] numbers;

        Operation(int... numbers) {
            this.numbers = numbers;
        }

        private static Operation of(int number) {
            for (Operation operation : values()) {
                for (int own : operation.numbers) {
                    if (own == number) {
                        return operation;
                    }
                }
            }
            return OTHER;
        }

        boolean isFloat() {
            return this == FLOAT_ADD || this == FLOAT_MULTIPLY || this == FLOAT_MULTIPLY_ADD;
        }
    }

    Operation operation() {
        return Operation.of((int) (low & 0xfff));
    }

    /** Of a load or store: 8, 16, 32, 64 or 128; bits 73 to 75. */
    int accessBits() {
        return switch ((int) (high >>> 9) & 7) {
            case 0, 1 -> 8;
            case 2, 3 -> 16;
            case 4 -> 32;
            case 5 -> 64;
            default -> 128;
        };
    }

    /** Of WARPGROUP: whether it waits for products (else it announces them). */
    boolean waits() {
        return (low >>> 47 & 1) != 0;
    }

    /** How many groups of products a wait leaves under way. */
    int left() {
        return (int) (high >>> 8) & 0xff;
    }
}
