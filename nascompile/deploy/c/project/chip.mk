# make                the network as a static library, build/@CORE@/lib@NAME@.a, with @CROSS@gcc
# make image          a whole firmware, linked at the chip's addresses: its size is the network's real ROM and RAM
# make check          the network against its test vectors on an emulated core (@EMULATOR@)
# make emulated       raw examples, build/examples.raw, on that core: see test/examples.c

CPU = @CPU@
MACHINE = @MACHINE@
CROSS = @CROSS@

CFLAGS = -std=c99 -Wall -Wextra -Os -ffunction-sections -fdata-sections@COMPILE@
LINK = @LINK@

BUILD = build/@CORE@
OBJECTS = $(SOURCES:%.c=$(BUILD)/%.o)

library: $(BUILD)/lib@NAME@.a
image: $(BUILD)/image.elf
	$(CROSS)size $<

$(BUILD)/%.o: %.c $(HEADERS)
	@mkdir -p $(dir $@)
	$(CROSS)gcc $(CPU) $(CFLAGS) -Iinclude -c $< -o $@

$(BUILD)/lib@NAME@.a: $(OBJECTS)
	rm -f $@
	$(CROSS)ar rcs $@ $^

$(BUILD)/image.elf: $(OBJECTS) image/main.c image/startup.c image/chip.ld
	$(CROSS)gcc $(CPU) $(CFLAGS) $(LINK) -Iinclude -T image/chip.ld $(filter %.o %.c,$^) -o $@

$(BUILD)/check.elf: $(OBJECTS) test/check.c test/emulated.h test/semihosting.h test/vectors.h image/startup.c image/emulator.ld
	$(CROSS)gcc $(CPU) $(CFLAGS) $(LINK) -Iinclude -T image/emulator.ld $(filter %.o %.c,$^) -o $@

$(BUILD)/examples.elf: $(OBJECTS) test/examples.c test/emulated.h test/semihosting.h test/answer.h image/startup.c image/emulator.ld
	$(CROSS)gcc $(CPU) $(CFLAGS) $(LINK) -Iinclude -T image/emulator.ld $(filter %.o %.c,$^) -o $@

check: $(BUILD)/check.elf
emulated: $(BUILD)/examples.elf

check emulated:
	@EMULATOR@ -M $(MACHINE) -nographic -monitor none -serial none \
	    -semihosting-config enable=on,target=native -icount @ICOUNT@ -kernel $<

.PHONY: emulated
