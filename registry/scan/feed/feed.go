// Package feed reads databases of vulnerabilities as their makers give them out: OSV
// (a zip of JSON files, one JSON document a line, or a single document) and Debian's
// security tracker. Any of them may be packed by gzip.
package feed

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"cove/errdefs"
	"cove/registry/scan/advisory"
)

// Bounds on a database.
const (
	maxDocument = 64 << 20 // bytes of what is said of one vulnerability
	maxUnpacked = 64 << 30
	maxMembers  = 10_000_000
)

// Sink takes what a database says, as it is read.
type Sink interface {
	Vulnerability(ctx context.Context, v advisory.Vulnerability) error
	Advisory(ctx context.Context, a advisory.Advisory) error
}

// The forms of databases.
const (
	OSV    = "osv"
	Debian = "debian-tracker"
)

// Read reads a database of whatever form and returns that. What is none is
// errdefs.ErrInvalid.
func Read(ctx context.Context, file io.ReaderAt, size int64, to Sink) (form string, err error) {
	head := make([]byte, 4)
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return OSV, readZip(ctx, file, size, to)
	}
	var text io.Reader = io.NewSectionReader(file, 0, size)
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			return "", notRead(err)
		}
		text = io.LimitReader(unpacked, maxUnpacked)
	}
	return readJSON(ctx, text, to)
}

func notRead(err error) error {
	if errdefs.KindOf(err) != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "the database of vulnerabilities cannot be read: %w", err)
}

func readZip(ctx context.Context, file io.ReaderAt, size int64, to Sink) error {
	z, err := zip.NewReader(file, size)
	if err != nil {
		return notRead(err)
	}
	left := int64(maxUnpacked)
	read := 0
	for i, f := range z.File {
		if path.Ext(f.Name) != ".json" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if left -= int64(min(f.UncompressedSize64, maxDocument)); left < 0 || i > maxMembers {
			return errdefs.Errorf(errdefs.ErrExhausted, "the database of vulnerabilities unpacks to too much")
		}
		text, err := member(f)
		if err == nil {
			err = osv(ctx, text, to)
		}
		if err != nil {
			return notRead(fmt.Errorf("%s: %w", f.Name, err))
		}
		read++
	}
	if read == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "there is no JSON file in the archive")
	}
	return nil
}

func member(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err == nil && len(text) > maxDocument {
		err = errdefs.Errorf(errdefs.ErrExhausted, "it has more than %d bytes", maxDocument)
	}
	return text, err
}

// readJSON reads a list of OSV's documents, any number of them behind one another,
// or Debian's tracker, which is one object of objects without an id.
func readJSON(ctx context.Context, text io.Reader, to Sink) (string, error) {
	in := bufio.NewReaderSize(text, 64<<10)
	dec := json.NewDecoder(in)
	first, err := dec.Token()
	if err != nil {
		return "", notRead(err)
	}
	switch first {
	case json.Delim('['):
		if err := documents(ctx, dec, to); err != nil {
			return "", err
		}
		if _, err := dec.Token(); err != nil {
			return "", notRead(err) // it was cut
		}
		return OSV, nil
	case json.Delim('{'):
	default:
		return "", errdefs.Errorf(errdefs.ErrInvalid, "it is neither OSV nor Debian's security tracker")
	}
	key, err := dec.Token()
	if err != nil {
		return "", notRead(err)
	}
	name, _ := key.(string)
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return "", notRead(err)
	}
	if isTracker(value) {
		return Debian, tracker(ctx, dec, entry{name, value}, to)
	}
	return OSV, rest(ctx, dec, entry{name, value}, to)
}

// entry is a field of an object, of which the first was read to know what it is.
type entry struct {
	name  string
	value json.RawMessage
}

// rest puts the first document together again, and reads those behind it.
func rest(ctx context.Context, dec *json.Decoder, first entry, to Sink) error {
	fields := map[string]json.RawMessage{first.name: first.value}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return notRead(err)
		}
		name, _ := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return notRead(err)
		}
		if fields[name] = value; len(fields) > 1000 {
			return errdefs.Errorf(errdefs.ErrInvalid, "it is neither OSV nor Debian's security tracker")
		}
	}
	if _, err := dec.Token(); err != nil {
		return notRead(err)
	}
	text, err := json.Marshal(fields)
	if err == nil {
		err = osv(ctx, text, to)
	}
	if err != nil {
		return notRead(err)
	}
	return documents(ctx, dec, to)
}

// documents reads OSV's, until there are no more.
func documents(ctx context.Context, dec *json.Decoder, to Sink) error {
	for dec.More() {
		var text json.RawMessage
		err := dec.Decode(&text)
		if err == nil {
			err = osv(ctx, text, to)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return notRead(err)
		}
	}
	return nil
}
