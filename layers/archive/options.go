// Package archive moves tar streams in and out of a directory, safely.
//
// A name in an archive is never joined to a path and opened. Each one is
// resolved component by component below a directory descriptor, as if that
// directory were the root of the machine: links that point anywhere stay
// inside, and a name with ".." in it is refused. What a layer means beyond a
// tar (whiteouts, lower layers) is in packages apply and diff; this package
// serves them and plain archives such as ADD, cp, export and import.
package archive

import (
	"archive/tar"
	"time"

	"cove/layers/mount"
)

// XattrPrefix is the PAX key prefix of an extended attribute.
const XattrPrefix = "SCHILY.xattr."

// Limits stop an archive that would fill the machine. A field that is zero
// takes its default, a negative one is no limit.
type Limits struct {
	// Entries is how many entries an archive may have: 2,000,000.
	Entries int64
	// Bytes is how many bytes its files may have together, holes included:
	// 256 GiB.
	Bytes int64
	// NameBytes is how long a name or link target may be: 4095, the kernel's.
	NameBytes int64
	// Depth is how many components a name may have: 256.
	Depth int64
	// XattrBytes is how large the extended attributes of one entry may be: 1 MiB.
	XattrBytes int64
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int64
		value int64
	}{
		{&l.Entries, 2_000_000},
		{&l.Bytes, 256 << 30},
		{&l.NameBytes, 4095},
		{&l.Depth, 256},
		{&l.XattrBytes, 1 << 20},
	} {
		switch {
		case *f.field == 0:
			*f.field = f.value
		case *f.field < 0:
			*f.field = 1 << 62
		}
	}
	return l
}

// Options say how an archive is extracted. The zero value is right for root.
type Options struct {
	Limits Limits
	// Unprivileged skips what only root may do: owners, devices and the
	// attributes of security.*. Everything else is as usual. It is always so
	// for a process that is not root (of its user namespace).
	Unprivileged bool
	// Rewrite, if set, may change each header before it is extracted, as its
	// name or owner. Returning false skips the entry.
	Rewrite func(*tar.Header) bool
	// Owners map those of the entries to those on disk; an entry whose owner it
	// has not is an error. It holds for what is rewritten too.
	Owners mount.IDMap
	// KeepKinds refuses an entry that would put a directory in the place of
	// something else, or the other way round.
	KeepKinds bool
}

// PackOptions say how a directory becomes an archive.
type PackOptions struct {
	// SourceDate, if not zero, is the latest time that an entry may carry;
	// later ones are clamped to it (SOURCE_DATE_EPOCH).
	SourceDate time.Time
	// Prefix is put before every name, as "rootfs".
	Prefix string
	// Lead is "./" or "/", put before the names that are clean otherwise, and the whole
	// name of the top.
	Lead string
	// Layer says that the archive is a layer: a file whose name begins with
	// ".wh." is refused then, as it would mean that another one is deleted.
	Layer bool
	// Skip, if set, leaves out the names for which it returns true; a
	// directory that is skipped is not entered. Names are relative and clean.
	Skip func(name string) bool
	// Owners map those on disk back to those of the entries.
	Owners mount.IDMap
}
