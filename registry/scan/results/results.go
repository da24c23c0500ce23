// Package results keeps what scans found: the packages of layers, read once; those of
// artifacts; and the vulnerabilities that both have by the databases of the moment.
// A new database is matched against the packages, each once, and the artifacts are
// counted anew; nothing is read again.
package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/internal/plural"
	"cove/inventory/packages"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/scannable"
	"cove/registry/scan/advisory"
	"cove/registry/scan/vulndb"
)

// reader is the version of what reads layers. A greater one has them read again, and
// the images of which they are scanned again, by the nightly work: a registry that is
// upgraded to one that reads more shows it without anybody asking.
const reader = 2

// Book keeps the results. It is safe for concurrent use.
type Book struct{ db *metadata.DB }

// Over keeps results in a registry's database.
func Over(database *metadata.DB) *Book { return &Book{database} }

// Layer is what a layer says, if it was read before.
func (b *Book) Layer(ctx context.Context, dgst digest.Digest) (l packages.Layer, read bool, err error) {
	all, err := db.All(
		ctx,
		b.db.Querier(),
		db.ScanString,
		"SELECT said FROM scan_layers WHERE digest = $1 AND reader = $2",
		dgst.String(),
		reader,
	)
	if err != nil || len(all) == 0 {
		return l, false, err
	}
	err = unpack(all[0], &l)
	return l, err == nil, err
}

// KeepLayer keeps what a layer says. One whose bytes have gone meanwhile is
// errdefs.ErrNotFound.
func (b *Book) KeepLayer(ctx context.Context, dgst digest.Digest, l packages.Layer) error {
	said, err := pack(l)
	if err != nil {
		return err
	}
	return b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := there(ctx, tx, dgst); err != nil {
			return err
		}
		_, err := tx.Tx.Exec(ctx, `INSERT INTO scan_layers (digest, reader, said, read_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (digest) DO UPDATE SET
			reader = excluded.reader, said = excluded.said, read_at = excluded.read_at`,
			dgst.String(), reader, said, db.Micros(tx.Now()))
		return db.Unavailable(err)
	})
}

// there holds the row of stored bytes until the commit.
func there(ctx context.Context, tx *metadata.Tx, dgst digest.Digest) error {
	some, err := db.All(
		ctx,
		tx.Tx,
		db.ScanString,
		"SELECT digest FROM blobs WHERE digest = $1"+tx.ForShare(),
		dgst.String(),
	)
	if err == nil && len(some) == 0 {
		err = errdefs.Errorf(errdefs.ErrNotFound, "%s is not there any more", dgst)
	}
	return err
}

func pack(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return "", err
	}
	defer enc.Close()
	return base64.StdEncoding.EncodeToString(enc.EncodeAll(text, nil)), nil
}

func unpack(text string, into any) error {
	const most = 512 << 20
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	dec, err := zstd.NewReader(
		bytes.NewReader(packed),
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(most),
	)
	if err != nil {
		return err
	}
	defer dec.Close()
	return json.NewDecoder(dec).Decode(into)
}

// subject is a package of an image as it is asked for. Its id is made of all that it
// is, so that whoever meets it first need not ask for one.
func subject(p packages.Package, r packages.Release) vulndb.Subject {
	s := vulndb.Subject{Ecosystem: advisory.Ecosystem(p, r), Type: p.Type, Name: p.Name, Version: p.Version}
	s.Source, s.SourceVersion = p.Lookup()
	s.ID = idOf(s)
	return s
}

func idOf(s vulndb.Subject) int64 {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		s.Ecosystem, s.Type, s.Name, s.Version, s.Source, s.SourceVersion,
	}, "\n")))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

func packIDs(ids []int64) string {
	raw := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		raw = binary.BigEndian.AppendUint64(raw, uint64(id))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func unpackIDs(text string) ([]int64, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw)%8 != 0 {
		return nil, errdefs.Errorf(
			errdefs.ErrCorrupt,
			"the packages of an artifact cannot be read from the database: %w",
			err,
		)
	}
	ids := make([]int64, 0, len(raw)/8)
	for ; len(raw) > 0; raw = raw[8:] {
		ids = append(ids, int64(binary.BigEndian.Uint64(raw)))
	}
	return ids, nil
}

// matching is the lock of whoever matches packages and writes what was found. Without
// it a rescan would forget the packages of an artifact that is just being kept, and
// the older of two answers could be the last one written.
const matching = "scan: match"

// Keep keeps the packages of an artifact, matches them, and returns what is known of
// it then. An artifact that has gone meanwhile is errdefs.ErrNotFound.
func (b *Book) Keep(ctx context.Context, dgst digest.Digest, image packages.Image) (Scan, error) {
	subjects := map[int64]vulndb.Subject{}
	for _, p := range image.Packages {
		s := subject(p.Package, image.Release)
		subjects[s.ID] = s
	}
	ids := slices.Sorted(maps.Keys(subjects))
	unlock, err := b.db.Lock(ctx, matching)
	if err != nil {
		return Scan{}, err
	}
	defer unlock()
	if err := b.keepPackages(ctx, subjects, ids); err != nil {
		return Scan{}, err
	}
	found, err := b.matched(ctx, subjects, ids)
	if err != nil {
		return Scan{}, err
	}
	s := Scan{
		Digest: dgst, State: Scanned, Note: image.Partial, System: image.Release.Name, Packages: len(image.Packages),
		Summary: count(found, ids),
	}
	err = b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := there(ctx, tx, dgst); err != nil {
			return err
		}
		s.At = tx.Now()
		return s.write(ctx, tx, packIDs(ids))
	})
	return s, err
}

// Fail keeps that an artifact could not be scanned by a scanner, "" being the registry's
// own, and why.
func (b *Book) Fail(ctx context.Context, dgst digest.Digest, scanner, why string) error {
	return b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := there(ctx, tx, dgst); err != nil {
			return err
		}
		return Scan{Digest: dgst, State: Failed, Scanner: scanner, Note: why, At: tx.Now()}.write(ctx, tx, "")
	})
}

func (s Scan) write(ctx context.Context, tx *metadata.Tx, ids string) error {
	c := s.Summary
	_, err := tx.Tx.Exec(
		ctx,
		`INSERT INTO scan_artifacts (digest, state, note, system, packages, worst, critical,
		high, medium, low, negligible, unknown, fixable, scanned_at, scanner, reader)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (digest) DO UPDATE SET
		state = excluded.state, note = excluded.note, system = excluded.system,
		packages = excluded.packages, worst = excluded.worst, critical = excluded.critical, high = excluded.high,
		medium = excluded.medium, low = excluded.low, negligible = excluded.negligible, unknown = excluded.unknown,
		fixable = excluded.fixable, scanned_at = excluded.scanned_at, scanner = excluded.scanner,
		reader = excluded.reader`,
		s.Digest.String(),
		string(s.State),
		s.Note,
		s.System,
		s.Packages,
		int64(c.Worst()),
		c.Critical,
		c.High,
		c.Medium,
		c.Low,
		c.Negligible,
		c.Unknown,
		c.Fixable,
		db.Micros(s.At),
		s.Scanner,
		reader,
	)
	if err == nil {
		err = scannable.Scanned(ctx, tx.Tx, s.Digest, string(s.State), int64(c.Worst()))
	}
	if err == nil {
		_, err = tx.Tx.Exec(ctx, `INSERT INTO scan_artifact_packages (digest, ids) VALUES ($1, $2)
			ON CONFLICT (digest) DO UPDATE SET ids = excluded.ids`, s.Digest.String(), ids)
	}
	return db.Unavailable(err)
}

// batch is how many packages are written and matched at once.
const batch = 1000

func (b *Book) keepPackages(ctx context.Context, subjects map[int64]vulndb.Subject, ids []int64) error {
	for piece := range slices.Chunk(ids, batch) {
		err := b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
			rows := make([][]any, 0, len(piece))
			for _, id := range piece {
				s := subjects[id]
				rows = append(rows, []any{
					id, s.Ecosystem, s.Type, s.Name, s.Version, s.Source, s.SourceVersion, db.Micros(tx.Now()),
				})
			}
			return vulndb.InsertRows(ctx, tx.Tx, `INSERT INTO scan_packages
				(id, ecosystem, type, name, version, source, source_version, seen_at)`,
				"ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at", rows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// matched matches packages and keeps what was found.
func (b *Book) matched(
	ctx context.Context, subjects map[int64]vulndb.Subject, ids []int64,
) (map[int64][]vulndb.Finding, error) {
	all := map[int64][]vulndb.Finding{}
	for piece := range slices.Chunk(ids, batch) {
		of := make([]vulndb.Subject, 0, len(piece))
		for _, id := range piece {
			of = append(of, subjects[id])
		}
		found, err := vulndb.Match(ctx, b.db.Querier(), of)
		if err == nil {
			err = b.keepFindings(ctx, piece, found)
		}
		if err != nil {
			return nil, err
		}
		for id, list := range found {
			all[id] = list
		}
	}
	return all, nil
}

// keepFindings writes down what of the findings of packages is other than before.
func (b *Book) keepFindings(ctx context.Context, ids []int64, found map[int64][]vulndb.Finding) error {
	old, err := b.findings(ctx, ids)
	if err != nil {
		return err
	}
	var changed []int64
	for _, id := range ids {
		if !slices.Equal(old[id], found[id]) {
			changed = append(changed, id)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	err = b.db.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		var rows [][]any
		names := map[string]bool{}
		for _, id := range changed {
			for _, f := range slices.Concat(old[id], found[id]) {
				names[f.Vulnerability] = true
			}
			if _, err := tx.Tx.Exec(ctx, "DELETE FROM scan_findings WHERE package_id = $1", id); err != nil {
				return db.Unavailable(err)
			}
			for _, f := range found[id] {
				rows = append(rows, []any{id, f.Vulnerability, int64(f.Severity), f.Fixed, f.Status})
			}
		}
		err := vulndb.InsertRows(
			ctx,
			tx.Tx,
			"INSERT INTO scan_findings (package_id, vulnerability, severity, fixed, status)",
			"ON CONFLICT DO NOTHING",
			rows,
		)
		if err != nil {
			return err
		}
		return known(ctx, tx, slices.Sorted(maps.Keys(names)))
	})
	return err
}

// findings are those of packages, as they were kept.
func (b *Book) findings(ctx context.Context, ids []int64) (map[int64][]vulndb.Finding, error) {
	found := map[int64][]vulndb.Finding{}
	for piece := range slices.Chunk(ids, once) {
		err := db.Each(ctx, b.db.Querier(), func(row db.Scanner) (bool, error) {
			var id int64
			var f vulndb.Finding
			err := row.Scan(&id, &f.Vulnerability, &f.Severity, &f.Fixed, &f.Status)
			found[id] = append(found[id], f)
			return true, err
		}, `SELECT package_id, vulnerability, severity, fixed, status FROM scan_findings
			WHERE package_id IN (`+vulndb.Parameters(1, once)+")", padded(piece)...)
		if err != nil {
			return nil, err
		}
	}
	for _, list := range found {
		slices.SortFunc(
			list,
			func(a, b vulndb.Finding) int { return strings.Compare(a.Vulnerability, b.Vulnerability) },
		)
	}
	return found, nil
}

// count counts vulnerabilities, each once whatever packages have it, with its worst
// severity.
func count(found map[int64][]vulndb.Finding, ids []int64) (sum advisory.Summary) {
	type seen struct {
		severity advisory.Severity
		fixable  bool
	}
	all := map[string]seen{}
	for _, id := range ids {
		for _, f := range found[id] {
			one := all[f.Vulnerability]
			all[f.Vulnerability] = seen{max(one.severity, f.Severity), one.fixable || f.Fixed != ""}
		}
	}
	for _, one := range all {
		sum.Add(one.severity, one.fixable)
	}
	return sum
}

// State is what came of a scan.
type State string

// The states of scans.
const (
	Scanned State = "scanned"
	Failed  State = "failed"
)

// Scan is what is known of an artifact.
type Scan struct {
	Digest   digest.Digest
	State    State
	Note     string // why it failed, or what was not read
	System   string // its distribution, for people
	Scanner  string // of others, that scanned it; "" is the registry's own
	Packages int    // of another scanner, those with vulnerabilities alone
	Summary  advisory.Summary
	At       time.Time
}

const columns = `a.digest, a.state, a.note, a.system, a.packages, a.critical, a.high, a.medium, a.low, a.negligible,
	a.unknown, a.fixable, a.scanned_at, a.scanner`

func (s *Scan) fields(at *int64) []any {
	c := &s.Summary
	return []any{
		&s.Digest, &s.State, &s.Note, &s.System, &s.Packages, &c.Critical, &c.High, &c.Medium, &c.Low, &c.Negligible,
		&c.Unknown, &c.Fixable, at, &s.Scanner,
	}
}

// Of is what is known of an artifact. One that was not scanned is
// errdefs.ErrNotFound.
func Of(ctx context.Context, q db.Querier, dgst digest.Digest) (s Scan, err error) {
	var at int64
	err = q.Row(ctx, "SELECT "+columns+" FROM scan_artifacts a WHERE a.digest = $1", dgst.String()).
		Scan(s.fields(&at)...)
	s.At = time.UnixMicro(at)
	return s, db.NotFound(err, "%s was not scanned", dgst)
}

// String is a line for people.
func (s Scan) String() string {
	worst := ""
	for _, severity := range advisory.Severities() {
		if n := s.Summary.Of(severity); n > 0 {
			worst += fmt.Sprintf(", %d %s", n, strings.ToLower(severity.String()))
		}
	}
	if s.Scanner != "" {
		return plural.Sprintf("%s: %d vulnerabilities%s", s.Scanner, s.Summary.Total(), worst)
	}
	return plural.Sprintf("%d packages, %d vulnerabilities%s", s.Packages, s.Summary.Total(), worst)
}
