package machine

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// TestHeaders: what is written here of ELF is what debug/elf reads.
func TestHeaders(t *testing.T) {
	t.Parallel()
	want := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "ppc64le": elf.EM_PPC64,
		"s390x": elf.EM_S390, "riscv64": elf.EM_RISCV, "loong64": elf.EM_LOONGARCH, "mips64le": elf.EM_MIPS, "mips64": elf.EM_MIPS,
	}
	for arch, m := range elfMachines {
		header, ok := programHeader(arch)
		if !ok {
			t.Fatal(arch)
		}
		// The rest of a file without sections and segments.
		file := m.order.(binary.AppendByteOrder).AppendUint32(header, 1)
		size := 64
		if m.class == class32 {
			size = 52
		}
		f, err := elf.NewFile(bytes.NewReader(append(file, make([]byte, size-len(file))...)))
		if err != nil || f.Machine != want[arch] || f.Type != elf.ET_EXEC || f.ByteOrder != m.order {
			t.Errorf("%s: %+v, %v", arch, f, err)
		}
	}
}
