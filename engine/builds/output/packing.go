package output

import (
	"cove/errdefs"
)

// Packing is how layers are packed.
type Packing struct {
	// Compression is buildx's word; "" is gzip.
	Compression string
	// Level is as buildx takes it; nil is the usual one.
	Level *int
	// Force packs layers of the base and of the cache anew that are packed otherwise.
	Force bool
}

// And is the packing of a build for which this one and another are asked: a build packs
// each layer once.
func (p Packing) And(other Packing) (Packing, error) {
	const once = "a build packs each layer once, for all outputs"
	switch {
	case p.Compression == "":
		p.Compression = other.Compression
	case other.Compression != "" && p.Compression != other.Compression:
		return p, errdefs.Errorf(errdefs.ErrUnsupported,
			"compression %s and %s: %s", p.Compression, other.Compression, once)
	}
	switch {
	case p.Level == nil:
		p.Level = other.Level
	case other.Level != nil && *p.Level != *other.Level:
		return p, errdefs.Errorf(errdefs.ErrUnsupported,
			"compression-level %d and %d: %s", *p.Level, *other.Level, once)
	}
	p.Force = p.Force || other.Force
	return p, nil
}

// Steps are the words of the builder: its name of a compression, and its level, 0 for the
// usual one.
func (p Packing) Steps() (compression string, level int, err error) {
	switch compression = p.Compression; compression {
	case "uncompressed":
		compression = "none"
	case "", "gzip", "zstd", "estargz", "none":
	default:
		return "", 0, errdefs.Errorf(errdefs.ErrUnsupported,
			"compression %s: want gzip, zstd, estargz or uncompressed", compression)
	}
	if p.Level != nil {
		level, err = steps(compression, *p.Level)
	}
	return compression, level, err
}

// zstdLevels are the levels of the zstd program at which the next of our four
// begins, fastest first.
var zstdLevels = []int{3, 6, 10}

// steps is a level as buildx takes it, 0 to 9 or 0 to 22, in the compressor's own steps.
func steps(name string, level int) (int, error) {
	switch {
	case name == "none":
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "compression none has no level")
	case name == "zstd" && level >= 0 && level <= 22:
		step := 1
		for _, from := range zstdLevels {
			if level >= from {
				step++
			}
		}
		return step, nil
	case name != "zstd" && level >= 1 && level <= 9:
		return level, nil
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "compression level %d: want 1 to 9 for gzip and estargz, 0 to 22 for zstd", level)
}
