package treetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Raw encodes entries without archive/tar's own care: names with NUL or "..",
// impossible numbers, any type. A name or link that does not fit the old header
// goes into a PAX record, as do hdr.PAXRecords, whatever they say.
func Raw(entries ...Entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		h := e.header()
		records := maps.Clone(h.PAXRecords)
		if records == nil {
			records = map[string]string{}
		}
		if len(h.Name) > 99 {
			records["path"] = h.Name
		}
		if len(h.Linkname) > 99 {
			records["linkpath"] = h.Linkname
		}
		if len(records) > 0 {
			body := paxBody(records)
			rawBlock(&b, &tar.Header{
				Name: "PaxHeaders.0/x", Typeflag: tar.TypeXHeader, Size: int64(len(body)),
				Mode: 0o644,
			}, body)
		}
		rawBlock(&b, &h, e.Body)
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// paxBody encodes "length key=value\n" records.
func paxBody(records map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(records)) {
		rest := " " + key + "=" + records[key] + "\n"
		n := len(rest)
		for n != len(fmt.Sprint(n))+len(rest) {
			n = len(fmt.Sprint(n)) + len(rest)
		}
		fmt.Fprintf(&b, "%d%s", n, rest)
	}
	return b.String()
}

func rawBlock(b *bytes.Buffer, h *tar.Header, body string) {
	block := make([]byte, 512)
	copy(block[0:100], h.Name)
	copy(block[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00", h.Mode&0o7777777, h.Uid&0o7777777, h.Gid&0o7777777))
	copy(block[124:], fmt.Sprintf("%011o\x00%011o\x00", h.Size, max(h.ModTime.Unix(), 0)))
	block[156] = h.Typeflag
	copy(block[157:257], h.Linkname)
	copy(block[257:], "ustar\x0000")
	copy(block[329:], fmt.Sprintf("%07o\x00%07o\x00", h.Devmajor&0o7777777, h.Devminor&0o7777777))
	copy(block[148:], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	b.Write(block)
	b.WriteString(body)
	b.Write(make([]byte, (512-len(body)%512)%512))
}
