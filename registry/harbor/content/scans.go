package content

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/jobs"
	"cove/registry/scan"
	"cove/registry/scan/advisory"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// The media types of reports that Harbor knows: clients say which they take, the best first.
const (
	reportType    = "application/vnd.security.vulnerability.report; version=1.1"
	reportTypeOld = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
	takesReports  = "X-Accept-Vulnerabilities"
)

// reportKind is the media type by which the caller wants a report.
func reportKind(asked *edge.Ask) (string, error) {
	takes := asked.Header.Get(takesReports)
	for text := range strings.SplitSeq(takes, ",") {
		switch strings.TrimSpace(text) {
		case "", reportType:
			return reportType, nil
		case reportTypeOld:
			return reportTypeOld, nil
		}
	}
	return "", edge.Unsupported("%s: %s; reports are %s", takesReports, takes, reportType)
}

// scan has the images of an artifact scanned.
func (o operations) scan(asked *edge.Ask) (any, error) {
	var r shape.ScanRequest
	if err := asked.Read(&r); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if r.Type != "" && r.Type != "vulnerability" {
		return nil, edge.Unsupported("scan_type %q: bills of materials are attached as a project says, see /api/v1", r.Type)
	}
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	_, err = o.Policies.Scans.Request(asked.Context(), asked.Caller,
		results.Image{Repository: asked.Repository, Digest: a.Manifest.Digest})
	return nil, err
}

// overview is what came of the scans of an artifact, for who asks with_scan_overview and may
// see it; nil of one that nobody scanned, and of what is no image.
func (o operations) overview(asked *edge.Ask, dgst string) (shape.Overview, error) {
	wanted, err := asked.Flag("with_scan_overview", false)
	if err != nil || !wanted || !o.Browse.May(asked.Context(), asked.Caller, scan.Read, asked.Repository) {
		return nil, err
	}
	kind, err := reportKind(asked)
	if err != nil {
		return nil, err
	}
	images, err := o.Policies.Scans.Images(asked.Context(), asked.Caller, asked.Repository, "", digest.Digest(dgst))
	if errors.Is(err, errdefs.ErrInvalid) { // no image
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := shape.ScanSummary{ReportID: dgst}
	for _, i := range images {
		one, err := o.summary(asked, i)
		if err != nil {
			return nil, err
		}
		all = together(all, one)
	}
	if all.Status == "" {
		return nil, nil
	}
	all.Severity = all.Summary.Worst().String()
	return shape.Overview{kind: all}, nil
}

// statuses are Harbor's words for what becomes of a scan, the one that decides first: an
// index is scanned when all of its images are.
var statuses = []string{"Running", "Pending", "Error", "", "Success"}

// together is the scan of an index, of those of its images.
func together(a, b shape.ScanSummary) shape.ScanSummary {
	if a.Scanner.Name == "" { // the first
		b.ReportID = a.ReportID
		return b
	}
	for _, s := range statuses {
		if a.Status == s || b.Status == s {
			a.Status = s
			break
		}
	}
	a.Summary = a.Summary.Plus(b.Summary)
	a.Percent = min(a.Percent, b.Percent)
	if a.Start.IsZero() || !b.Start.IsZero() && b.Start.Before(a.Start) {
		a.Start = b.Start
	}
	if b.End.After(a.End) {
		a.End = b.End
	}
	return a
}

// summary is the scan of one image, which may be under way again.
func (o operations) summary(asked *edge.Ask, i results.Image) (s shape.ScanSummary, err error) {
	r, err := o.Policies.Scans.Report(asked.Context(), asked.Caller, i)
	s.Scanner = scannerOf(r.Scanner)
	switch {
	case err == nil:
		s.Status, s.Percent = "Success", 100
		if r.State == results.Failed {
			s.Status = "Error"
		}
		s.Summary, s.Start, s.End = r.Summary, r.At.UTC(), r.At.UTC()
	case !errors.Is(err, errdefs.ErrNotFound):
		return s, err
	}
	at, state, err := o.underWay(asked.Context(), i.Digest)
	if state != "" {
		s.Status, s.Percent, s.Start, s.End = state, 0, at, time.Time{}
	}
	return s, err
}

// underWay says whether a scan of an image is waiting or runs, in Harbor's words.
func (o operations) underWay(ctx context.Context, dgst digest.Digest) (at time.Time, state string, err error) {
	for is, word := range map[jobs.State]string{jobs.Waiting: "Pending", jobs.Running: "Running"} {
		for _, kind := range []string{scan.JobScan, scan.JobOther} {
			some, _, err := jobs.Page(ctx, o.DB.Querier(), jobs.Query{
				Kind: kind, Subject: dgst.String(), State: is, N: 1,
			})
			if err != nil {
				return at, "", err
			}
			for _, j := range some {
				at, state = j.CreatedAt.UTC(), word
			}
		}
	}
	return at, state, nil
}

// scannerOf is a scanner by its name here; "" is the registry's own.
func scannerOf(name string) shape.Scanner {
	if name == "" {
		return shape.Scanner{Name: "cove", Vendor: "cove", Version: "1"}
	}
	return shape.Scanner{Name: name}
}

// vulnerabilities is the report of an image, or those of all images of an index.
func (o operations) vulnerabilities(asked *edge.Ask) (any, error) {
	kind, err := reportKind(asked)
	if err != nil {
		return nil, err
	}
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	images, err := o.Policies.Scans.Images(asked.Context(), asked.Caller, asked.Repository, "", a.Manifest.Digest)
	if err != nil {
		return nil, err
	}
	whole := shape.Report{Vulnerabilities: []shape.Vulnerability{}}
	var sum advisory.Summary
	for _, i := range images {
		r, err := o.Policies.Scans.Report(asked.Context(), asked.Caller, i)
		if err != nil {
			return nil, err
		}
		whole.Scanner, sum = scannerOf(r.Scanner), sum.Plus(r.Summary)
		if at := r.At.UTC(); at.After(whole.Generated) {
			whole.Generated = at
		}
		found, err := o.found(asked, i)
		if err != nil {
			return nil, err
		}
		whole.Vulnerabilities = append(whole.Vulnerabilities, found...)
	}
	whole.Severity = sum.Worst().String()
	return map[string]shape.Report{kind: whole}, nil
}

func (o operations) found(asked *edge.Ask, i results.Image) (all []shape.Vulnerability, err error) {
	found, err := o.Policies.Scans.Vulnerabilities(asked.Context(), asked.Caller, i)
	if err != nil {
		return nil, err
	}
	links := map[string][]string{}
	for _, f := range found {
		if _, asked := links[f.Vulnerability]; asked {
			continue
		}
		links[f.Vulnerability] = []string{}
	}
	for id := range links {
		v, err := vulndb.Vulnerability(asked.Context(), o.DB.Querier(), id)
		if err != nil {
			return nil, err
		}
		links[id] = append(links[id], v.Links...)
	}
	for _, f := range found {
		all = append(all, shape.Vulnerability{
			ID: f.Vulnerability, Package: f.Package, Version: f.Version, FixVersion: f.Fixed,
			Severity: f.Severity.String(), Description: f.Title, Links: links[f.Vulnerability],
			Digests: []string{i.Digest.String()}, Status: f.Status,
		})
	}
	return all, nil
}
