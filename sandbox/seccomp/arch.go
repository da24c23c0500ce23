package seccomp

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

//go:generate go run gen.go

// abi is one way to make system calls.
type abi struct {
	name  specs.Arch
	audit uint32
	// table lists names and numbers.
	table string
	// narrow arguments have 32 bits.
	narrow bool
	// x32 shares the identification.
	x32 bool
}

// architecture is a processor with what it can also run.
type architecture struct {
	native abi
	others []abi
}

var architectures = map[string]architecture{
	"amd64": {
		native: abi{name: specs.ArchX86_64, audit: unix.AUDIT_ARCH_X86_64, table: tableX8664, x32: true},
		others: []abi{{name: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, table: tableI386, narrow: true}},
	},
	"arm64": {
		native: abi{name: specs.ArchAARCH64, audit: unix.AUDIT_ARCH_AARCH64, table: tableAARCH64},
		others: []abi{{name: specs.ArchARM, audit: unix.AUDIT_ARCH_ARM, table: tableARM, narrow: true}},
	},
}

// parseTable reads "name=number" fields. The tables are text because maps
// would be filled at every start of the program.
func parseTable(text string) map[string]uint32 {
	numbers := make(map[string]uint32, 512)
	for field := range strings.FieldsSeq(text) {
		name, number, _ := strings.Cut(field, "=")
		n, err := strconv.ParseUint(number, 10, 32)
		if err == nil {
			numbers[name] = uint32(n)
		}
	}
	return numbers
}

// known are the architectures that a profile may name: what is none would be a misspelt
// one, whose calls end the process.
var known = []specs.Arch{
	specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
	specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64,
	specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390,
	specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64,
	specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}
