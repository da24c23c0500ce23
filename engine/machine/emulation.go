package machine

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/internal/platforms"
)

// binfmtDir is where the kernel shows what runs programs of other machines.
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// related are architectures whose programs the machine's own processor runs.
var related = map[string][]string{"amd64": {"386"}}

// What a header says, in the numbers of elf(5): debug/elf knows them too, but takes longer
// to begin with than many a command has to run.
const (
	class32, class64    = 1, 2
	dataLittle, dataBig = 1, 2
	version             = 1
	typeExec            = 2
	identBytes          = 16
)

// elfMachine is what an ELF header says of an architecture.
type elfMachine struct {
	class byte
	order binary.ByteOrder
	code  uint16
}

// elfMachines are the architectures that the kernel can be told to emulate.
var elfMachines = map[string]elfMachine{
	"amd64":    {class64, binary.LittleEndian, 62},
	"386":      {class32, binary.LittleEndian, 3},
	"arm64":    {class64, binary.LittleEndian, 183},
	"arm":      {class32, binary.LittleEndian, 40},
	"ppc64le":  {class64, binary.LittleEndian, 21},
	"s390x":    {class64, binary.BigEndian, 22},
	"riscv64":  {class64, binary.LittleEndian, 243},
	"loong64":  {class64, binary.LittleEndian, 258},
	"mips64le": {class64, binary.LittleEndian, 8},
	"mips64":   {class64, binary.BigEndian, 8},
}

// CheckRuns is errdefs.ErrUnsupported when this machine cannot run programs of a
// platform: neither its processor nor an emulator that is registered with the
// kernel (binfmt_misc) does. A platform that names no architecture is its own.
func CheckRuns(p ocispec.Platform) error {
	if p.Architecture == "" || p.Architecture == runtime.GOARCH ||
		slices.Contains(related[runtime.GOARCH], p.Architecture) {
		return nil
	}
	return checkEmulated(binfmtDir, p)
}

func checkEmulated(dir string, p ocispec.Platform) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	header, known := programHeader(p.Architecture)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !known {
			continue // "register" cannot be read
		}
		switch found := parseHandler(string(text)); {
		case !found.matches(header):
		case !found.fixed:
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"programs for %s: the emulator %s is registered without the flag F, so a container, which does not hold it, cannot use it",
				platforms.Format(p), found.interpreter)
		default:
			return nil
		}
	}
	return errdefs.Errorf(errdefs.ErrUnsupported,
		"this machine (linux/%s) cannot run programs for %s: register an emulator (package qemu-user-binfmt), "+
			"build on such a machine, or cross-compile in a stage FROM --platform=$BUILDPLATFORM",
		runtime.GOARCH, platforms.Format(p))
}

// programHeader is the beginning of a program of an architecture.
func programHeader(arch string) ([]byte, bool) {
	m, ok := elfMachines[arch]
	if !ok {
		return nil, false
	}
	data := byte(dataLittle)
	if m.order == binary.BigEndian {
		data = dataBig
	}
	h := append([]byte("\x7fELF"), m.class, data, version)
	h = append(h, make([]byte, identBytes-len(h))...)
	h = m.order.(binary.AppendByteOrder).AppendUint16(h, typeExec)
	return m.order.(binary.AppendByteOrder).AppendUint16(h, m.code), true
}

// handler is one entry of binfmt_misc.
type handler struct {
	enabled, fixed bool
	interpreter    string
	offset         bool // it looks elsewhere than at the beginning
	magic, mask    []byte
}

func parseHandler(text string) handler {
	var h handler
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "enabled":
			h.enabled = true
		case "interpreter":
			h.interpreter = value
		case "flags:":
			h.fixed = strings.Contains(value, "F")
		case "offset":
			h.offset = value != "0"
		case "magic":
			h.magic, _ = hex.DecodeString(value)
		case "mask":
			h.mask, _ = hex.DecodeString(value)
		}
	}
	return h
}

// matches says whether the handler takes programs with this header.
func (h handler) matches(header []byte) bool {
	if !h.enabled || h.offset || len(h.magic) < len(header) {
		return false
	}
	if len(h.mask) == 0 {
		return bytes.HasPrefix(h.magic, header)
	}
	for i, b := range header {
		if i < len(h.mask) && (b^h.magic[i])&h.mask[i] != 0 {
			return false
		}
	}
	return true
}
