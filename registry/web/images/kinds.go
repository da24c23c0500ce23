package images

import (
	"html/template"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/browse/about"
	"cove/registry/edge"
	"cove/registry/web/markdown"
	"cove/registry/web/page"
)

// kindData is what the page of an artifact that is no image shows of it.
type kindData struct {
	Chart  *browse.Chart // nil of anything else
	Readme template.HTML // of the chart
	Model  *modelData    // nil of anything else
	// Files are what can be saved, each by itself; none of an image.
	Files []fileRow
}

// modelData is a model as its page has it.
type modelData struct {
	about.Model
	Facts []fact
}

// fact is what a model says of one thing, under the key of a message.
type fact struct{ Key, Value string }

// fileRow is a file of an artifact.
type fileRow struct {
	Name, Path string
	Kind       string // media type
	Digest     digest.Digest
	Size       int64
	Unpacked   int64 // 0 where it is not said
	Look       bool  // its files can be looked at
}

// look fills in what is special about the artifact.
func (p *Pages) look(a *page.Ask, of *browse.Artifact) (d kindData, err error) {
	switch {
	case of.Image != nil || of.Config.MediaType == "": // an index has no files either
		return d, nil
	case of.IsChart():
		d.Chart, err = p.Browse.Chart(a.Context(), a.Caller, of)
		if err == nil && d.Chart != nil && d.Chart.Readme != nil {
			d.Readme, err = markdown.HTML(d.Chart.Readme.Text)
		}
	case of.IsModel():
		var m *about.Model
		if m, err = p.Browse.Model(a.Context(), a.Caller, of); m != nil {
			d.Model = &modelData{*m, factsOf(*m)}
		}
	}
	d.Files = filesOf(of, d.Chart)
	return d, err
}

// factsOf are what a model says of itself, in the order of its page.
func factsOf(m about.Model) (facts []fact) {
	list := func(items []string) string { return strings.Join(limited(items), ", ") }
	day := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.UTC().Format(time.DateOnly)
	}
	for _, f := range []fact{
		{"model.name", m.Name},
		{"model.family", m.Family},
		{"model.version", m.Version},
		{"model.revision", m.Revision},
		{"model.format", m.Format},
		{"model.parameters", m.Parameters},
		{"model.architecture", m.Architecture},
		{"model.quantization", m.Quantization},
		{"model.precision", m.Precision},
		{"model.context", m.Context},
		{"model.size", m.Size},
		{"model.inputs", list(m.Inputs)},
		{"model.outputs", list(m.Outputs)},
		{"model.languages", list(m.Languages)},
		{"model.cutoff", day(m.Cutoff)},
		{"model.created", day(m.CreatedAt)},
		{"model.vendor", m.Vendor},
		{"model.authors", list(m.Authors)},
		{"model.licenses", list(m.Licenses)},
	} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}

// filesOf are the blobs of an artifact as files; the configuration is one if it says
// anything.
func filesOf(of *browse.Artifact, chart *browse.Chart) (rows []fileRow) {
	for _, l := range of.Layers {
		row := fileRow{Path: l.Title, Kind: l.MediaType, Digest: l.Digest, Size: l.Size}
		row.Look = chart != nil && about.IsChartArchive(l.MediaType)
		if chart != nil && row.Path == "" && chart.Name != "" {
			switch {
			case about.IsChartArchive(l.MediaType):
				row.Name = chart.FileName()
			case l.MediaType == about.ChartProvenance:
				row.Name = chart.FileName() + ".prov"
			}
		}
		_, row.Unpacked = about.FileOf(l.Annotations)
		rows = append(rows, row)
	}
	if of.Config.MediaType != ocispec.MediaTypeEmptyJSON && of.Config.Size > int64(len("{}")) {
		rows = append(rows, fileRow{Kind: of.Config.MediaType, Digest: of.Config.Digest, Size: of.Config.Size})
	}
	return rows
}

// download sends a file of an artifact to be saved. What may not be pulled is not sent,
// and what is sent is noted as a pull.
func (p *Pages) download(a *page.Ask) error {
	name, err := browse.ParseName(a.PathValue("artifact"))
	if err != nil {
		return err
	}
	dgst, err := digest.Parse(a.FormValue("digest"))
	if err != nil {
		return page.Invalid("digest %q: %w", a.FormValue("digest"), err)
	}
	found, err := p.Browse.Artifact(a.Context(), a.Caller, name)
	if err != nil {
		return err
	}
	by := a.Caller
	by.Address = edge.AddressOf(a.Request)
	ctx := auth.WithCaller(a.Context(), by)
	if _, err := p.Served.GetManifest(ctx, name.Repository, found.Manifest.Digest); err != nil {
		return err
	}
	rd, as, err := p.Browse.Blob(ctx, by, found, dgst)
	if err != nil {
		return err
	}
	defer rd.Close()
	if chart, err := p.look(a, found); err == nil {
		for _, f := range chart.Files {
			if f.Digest == dgst && f.Name != "" {
				as = f.Name
			}
		}
	}
	h := a.W.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": as}))
	h.Set("Content-Length", strconv.FormatInt(rd.Size(), 10))
	a.W.WriteHeader(http.StatusOK)
	body := content.Verify(io.NewSectionReader(rd, 0, rd.Size()), ocispec.Descriptor{Digest: dgst, Size: rd.Size()})
	if _, err := io.Copy(a.W, body); err != nil && a.Context().Err() == nil {
		// The length that was promised has the browser see that the file is not whole.
		p.Log.ErrorContext(ctx, "download was cut", "path", a.URL.Path, "digest", dgst, "error", err)
	}
	return nil
}
