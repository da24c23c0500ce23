package scan

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/scan/advisory"
	"cove/registry/scan/results"
	"cove/registry/selector"
)

// Export is the right to export what scans of a project found.
const Export = rights.Right("export-cve:read")

// Wanted says which vulnerabilities are exported: all of them, unless it says otherwise.
type Wanted struct {
	Project string // "" is all, for who may read the scans of all
	// Repositories is a glob of full names, Tags one of tags; an image without such a tag is
	// left out.
	Repositories, Tags string
	Least              advisory.Severity
	Vulnerability      string
}

// exported are the columns of an export.
var exported = []string{
	"repository", "digest", "tags", "vulnerability", "severity", "score", "package", "version", "type", "fixed",
	"status", "title", "scanner", "scanned",
}

// Exporter writes vulnerabilities as CSV (RFC 4180), a line for each that an image has in
// a package, as they are read: any number of images needs the memory of a few. What
// programs for sheets take for a formula has an apostrophe before it.
type Exporter func(ctx context.Context, to io.Writer) error

// Export returns what writes the vulnerabilities of what is wanted. Repositories in which
// the caller has not got the right are left out. A glob that is none is errdefs.ErrInvalid.
func (s *Scans) Export(ctx context.Context, by auth.Caller, want Wanted) (Exporter, error) {
	right := Export
	if want.Project == "" {
		right = ReadAll
	}
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, right, want.Project); err != nil {
		return nil, err
	}
	if want.Project != "" {
		if _, err := s.cfg.DB.Project(ctx, want.Project); err != nil {
			return nil, err
		}
	}
	for _, glob := range []string{want.Repositories, want.Tags} {
		if glob != "" && !selector.Valid(glob) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%q is no glob of names", glob)
		}
	}
	choice := results.Choice{Project: want.Project, Repository: func(name string) (bool, error) {
		if want.Repositories != "" && !selector.Match(want.Repositories, name) {
			return false, nil
		}
		if want.Project == "" {
			return true, nil
		}
		return s.may(ctx, by, Export, name)
	}}
	if want.Tags != "" {
		choice.Tag = func(name string) bool { return selector.Match(want.Tags, name) }
	}
	return func(ctx context.Context, to io.Writer) error {
		w := csv.NewWriter(to)
		if err := w.Write(exported); err != nil {
			return err
		}
		err := s.book.Each(ctx, choice, func(c results.Chosen) error { return s.export(ctx, w, want, c) })
		w.Flush()
		return errors.Join(err, w.Error())
	}, nil
}

// may says whether a caller has a right in a repository.
func (s *Scans) may(ctx context.Context, by auth.Caller, right auth.Right, repo string) (bool, error) {
	err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, right, repo)
	if errors.Is(err, errdefs.ErrDenied) {
		return false, nil
	}
	return err == nil, err
}

func (s *Scans) export(ctx context.Context, w *csv.Writer, want Wanted, c results.Chosen) error {
	if c.Summary.Total() == 0 {
		return nil
	}
	found, err := s.book.Vulnerabilities(ctx, c.Digest)
	if errors.Is(err, errdefs.ErrNotFound) { // it is gone since it was listed
		return nil
	}
	for _, f := range found {
		if err != nil || f.Severity < want.Least ||
			want.Vulnerability != "" && f.Vulnerability != want.Vulnerability {
			continue
		}
		score := ""
		if f.Score > 0 {
			score = strconv.FormatFloat(f.Score, 'f', 1, 64)
		}
		line := []string{
			c.Repository, c.Digest.String(), strings.Join(c.Tags, " "),
			f.Vulnerability, f.Severity.String(), score,
			f.Package, f.Version, f.Type, f.Fixed, f.Status, f.Title,
			c.Scanner, c.At.UTC().Format(time.RFC3339),
		}
		for i, text := range line {
			line[i] = noFormula(text)
		}
		err = w.Write(line)
	}
	return err
}

// noFormula is a text that programs for sheets take for one: names of packages and titles
// are those of strangers.
func noFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
