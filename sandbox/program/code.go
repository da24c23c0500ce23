package program

import "encoding/binary"

// Before the loop, at codeStart, is what handles a signal in a program that waits to be
// started: exit_group(128 + signal). The loop, the same on both processors:
//
//	next:   bits = entry.bits
//	        load six arguments; those with their bit set are addresses: load again
//	        if entry.number is a check: result = (a0 & a1) == a2 ? 0 : a3
//	        else if it is a digit: result = (a0 >> a1 & a2) + a3
//	        else result = system call
//	        *entry.result = result
//	        if result is an error:
//	            if it is none of entry.accept: report it, exit
//	            if bits has note: report it
//	            entry += entry.err; goto next
//	        entry += entry.ok; goto next
//	report: write(status, {bits >> 17, errno}, 8)

// assembler collects machine code and fills in the jumps to labels.
type assembler struct {
	code   []byte
	labels map[string]int
	jumps  []jump
}

type jump struct {
	at    int // of the instruction's last four bytes (arm64) or displacement (amd64)
	label string
	patch func(code []byte, at, target int)
}

func newAssembler() *assembler { return &assembler{labels: map[string]int{}} }

func (a *assembler) label(name string) { a.labels[name] = len(a.code) }

func (a *assembler) raw(b ...byte) { a.code = append(a.code, b...) }

// link patches the jumps and returns the code.
func (a *assembler) link() []byte {
	for _, j := range a.jumps {
		j.patch(a.code, j.at, a.labels[j.label])
	}
	return a.code
}

// Registers of amd64: rbx is the entry, r12d its bits, and the kernel takes
// rdi, rsi, rdx, r10, r8, r9 and changes rax, rcx and r11.
func amd64Loop(l loop) []byte {
	js, jae, je, jne := []byte{0x0f, 0x88}, []byte{0x0f, 0x83}, []byte{0x0f, 0x84}, []byte{0x0f, 0x85}
	jmp, call := []byte{0xe9}, []byte{0xe8}
	a := newAssembler()
	a.rawImm(128, 0x8d, 0xbf) // lea edi, [rdi+128]
	a.rawImm(231, 0xb8)       // mov eax, exit_group
	a.raw(0x0f, 0x05)         // syscall
	a.raw(0x90, 0x90, 0x90)   // up to endingSize
	a.rawImm(l.table, 0xbb)   // mov ebx, table
	a.label("next")
	a.raw(0x44, 0x8b, 0x63, 4)  // mov r12d, [rbx+4]
	a.raw(0x48, 0x8b, 0x7b, 8)  // mov rdi, [rbx+8]
	a.raw(0x48, 0x8b, 0x73, 16) // mov rsi, [rbx+16]
	a.raw(0x48, 0x8b, 0x53, 24) // mov rdx, [rbx+24]
	a.raw(0x4c, 0x8b, 0x53, 32) // mov r10, [rbx+32]
	a.raw(0x4c, 0x8b, 0x43, 40) // mov r8, [rbx+40]
	a.raw(0x4c, 0x8b, 0x4b, 48) // mov r9, [rbx+48]
	for i, load := range [][3]byte{
		{0x48, 0x8b, 0x3f}, // mov rdi, [rdi]
		{0x48, 0x8b, 0x36}, // mov rsi, [rsi]
		{0x48, 0x8b, 0x12}, // mov rdx, [rdx]
		{0x4d, 0x8b, 0x12}, // mov r10, [r10]
		{0x4d, 0x8b, 0x00}, // mov r8, [r8]
		{0x4d, 0x8b, 0x09}, // mov r9, [r9]
	} {
		a.raw(0x41, 0xf6, 0xc4, 1<<i) // test r12b, 1<<i
		a.raw(0x74, 3)                // jz over the load
		a.raw(load[:]...)
	}
	a.raw(0x8b, 0x03) // mov eax, [rbx]
	a.raw(0x85, 0xc0) // test eax, eax
	a.jump("check", js...)
	a.raw(0x0f, 0x05) // syscall
	a.label("done")
	a.raw(0x4c, 0x8b, 0x6b, 56)               // mov r13, [rbx+56]
	a.raw(0x49, 0x89, 0x45, 0)                // mov [r13], rax
	a.raw(0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff) // cmp rax, -4095
	a.jump("error", jae...)
	a.raw(0x8b, 0x43, 72) // mov eax, [rbx+72]
	a.label("advance")
	a.raw(0x48, 0x01, 0xc3) // add rbx, rax
	a.jump("next", jmp...)
	a.label("error")
	a.raw(0xf7, 0xd8) // neg eax
	for i := range byte(4) {
		a.raw(0x66, 0x39, 0x43, 64+2*i) // cmp [rbx+64+2i], ax
		a.jump("accepted", je...)
	}
	a.raw(0x66, 0x83, 0x7b, 64, 0xff) // cmp word [rbx+64], -1
	a.jump("accepted", je...)
	a.jump("report", call...)
	a.rawImm(ExitCode, 0xbf) // mov edi, ExitCode
	a.rawImm(231, 0xb8)      // mov eax, exit_group
	a.raw(0x0f, 0x05)        // syscall
	a.label("accepted")
	a.rawImm(noteBit, 0x41, 0xf7, 0xc4) // test r12d, noteBit
	a.jump("quiet", je...)
	a.jump("report", call...)
	a.label("quiet")
	a.raw(0x8b, 0x43, 76) // mov eax, [rbx+76]
	a.jump("advance", jmp...)
	a.label("report")
	a.rawImm(l.failure, 0xbe)  // mov esi, failure
	a.raw(0x44, 0x89, 0xe1)    // mov ecx, r12d
	a.raw(0xc1, 0xe9, 17)      // shr ecx, 17
	a.raw(0x89, 0x0e)          // mov [rsi], ecx
	a.raw(0x89, 0x46, 4)       // mov [rsi+4], eax
	a.rawImm(l.status, 0xbf)   // mov edi, status
	a.rawImm(RecordSize, 0xba) // mov edx, 8
	a.rawImm(1, 0xb8)          // mov eax, write
	a.raw(0x0f, 0x05)          // syscall
	a.raw(0xc3)                // ret
	a.label("check")
	a.rawImm(digitBit, 0xa9) // test eax, digitBit
	a.jump("digit", jne...)
	a.raw(0x48, 0x21, 0xf7) // and rdi, rsi
	a.raw(0x31, 0xc0)       // xor eax, eax
	a.raw(0x48, 0x39, 0xd7) // cmp rdi, rdx
	a.jump("done", je...)
	a.raw(0x4c, 0x89, 0xd0) // mov rax, r10
	a.jump("done", jmp...)
	a.label("digit")
	a.raw(0x89, 0xf1)             // mov ecx, esi
	a.raw(0x48, 0xd3, 0xef)       // shr rdi, cl
	a.raw(0x48, 0x21, 0xd7)       // and rdi, rdx
	a.raw(0x4a, 0x8d, 0x04, 0x17) // lea rax, [rdi+r10]
	a.jump("done", jmp...)
	return a.link()
}

// rawImm is an opcode with a 32-bit immediate.
func (a *assembler) rawImm(imm uint32, opcode ...byte) {
	a.code = binary.LittleEndian.AppendUint32(append(a.code, opcode...), imm)
}

// jump is a jump of amd64 with a displacement of 32 bits.
func (a *assembler) jump(label string, opcode ...byte) {
	a.rawImm(0, opcode...)
	a.jumps = append(a.jumps, jump{len(a.code) - 4, label, func(code []byte, at, target int) {
		binary.LittleEndian.PutUint32(code[at:], uint32(int32(target-at-4)))
	}})
}

// Registers of arm64: x19 is the entry, w20 its bits, w21 the errno, and the
// kernel takes x0 to x5, the number in w8, and returns in x0.
func arm64Loop(l loop) []byte {
	a := newAssembler()
	a.word(0x11020000) // add w0, w0, #128
	a.load(8, 94)      // exit_group
	a.word(0xd4000001) // svc #0
	a.load(19, l.table)
	a.label("next")
	a.word(0xb9400674) // ldr w20, [x19, #4]
	a.word(0xa9408660) // ldp x0, x1, [x19, #8]
	a.word(0xa9418e62) // ldp x2, x3, [x19, #24]
	a.word(0xa9429664) // ldp x4, x5, [x19, #40]
	for i := range uint32(6) {
		a.word(0x36000054 | i<<19)    // tbz w20, #i, over the load
		a.word(0xf9400000 | i<<5 | i) // ldr xi, [xi]
	}
	a.word(0xb9400268)                   // ldr w8, [x19]
	a.branch("check", 0x37f80008, 14, 5) // tbnz w8, #31
	a.word(0xd4000001)                   // svc #0
	a.label("done")
	a.word(0xf9401e69)                   // ldr x9, [x19, #56]
	a.word(0xf9000120)                   // str x0, [x9]
	a.word(0xb13ffc1f)                   // cmn x0, #4095
	a.branch("error", 0x54000002, 19, 5) // b.hs
	a.word(0xb9404a69)                   // ldr w9, [x19, #72]
	a.label("advance")
	a.word(0x8b090273)                  // add x19, x19, x9
	a.branch("next", 0x14000000, 26, 0) // b
	a.label("error")
	a.word(0x4b0003f5) // neg w21, w0
	for i := range uint32(4) {
		a.word(0x79408269 + i<<10)              // ldrh w9, [x19, #64+2i]
		a.word(0x6b15013f)                      // cmp w9, w21
		a.branch("accepted", 0x54000000, 19, 5) // b.eq
	}
	a.word(0x79408269) // ldrh w9, [x19, #64]
	a.load(10, 0xffff)
	a.word(0x6b0a013f)                      // cmp w9, w10
	a.branch("accepted", 0x54000000, 19, 5) // b.eq
	a.branch("report", 0x94000000, 26, 0)   // bl
	a.load(0, ExitCode)
	a.load(8, 94)      // exit_group
	a.word(0xd4000001) // svc #0
	a.label("accepted")
	a.word(0x36800054)                     // tbz w20, #16, over the call
	a.branch("report", 0x94000000, 26, 0)  // bl
	a.word(0xb9404e69)                     // ldr w9, [x19, #76]
	a.branch("advance", 0x14000000, 26, 0) // b
	a.label("report")
	a.load(1, l.failure)
	a.word(0x53117e89) // lsr w9, w20, #17
	a.word(0x29005429) // stp w9, w21, [x1]
	a.load(0, l.status)
	a.load(2, RecordSize)
	a.load(8, 64)      // write
	a.word(0xd4000001) // svc #0
	a.word(0xd65f03c0) // ret
	a.arm64Values()
	return a.link()
}

// arm64Values are the entries that make no system call.
func (a *assembler) arm64Values() {
	a.label("check")
	a.branch("digit", 0x37f00008, 14, 5) // tbnz w8, #30
	a.word(0x8a010000)                   // and x0, x0, x1
	a.word(0xeb02001f)                   // cmp x0, x2
	a.word(0x9a8303e0)                   // csel x0, xzr, x3, eq
	a.branch("done", 0x14000000, 26, 0)  // b
	a.label("digit")
	a.word(0x9ac12400)                  // lsr x0, x0, x1
	a.word(0x8a020000)                  // and x0, x0, x2
	a.word(0x8b030000)                  // add x0, x0, x3
	a.branch("done", 0x14000000, 26, 0) // b
}

func (a *assembler) word(w uint32) { a.code = binary.LittleEndian.AppendUint32(a.code, w) }

// load puts a number of 32 bits into register x.
func (a *assembler) load(x, n uint32) {
	a.word(0xd2800000 | n&0xffff<<5 | x) // movz
	a.word(0xf2a00000 | n>>16<<5 | x)    // movk, lsl #16
}

// branch is a branch of arm64, its displacement in words of so many bits.
func (a *assembler) branch(label string, opcode uint32, bits, shift int) {
	a.word(opcode)
	a.jumps = append(a.jumps, jump{len(a.code) - 4, label, func(code []byte, at, target int) {
		displacement := uint32((target-at)/4) & (1<<bits - 1)
		w := binary.LittleEndian.Uint32(code[at:])
		binary.LittleEndian.PutUint32(code[at:], w|displacement<<shift)
	}})
}
