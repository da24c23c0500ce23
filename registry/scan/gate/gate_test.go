package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/inventory/packages"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/scan/advisory"
	"cove/registry/scan/gate"
	"cove/registry/scan/results"
	"cove/registry/scan/vulndb"
)

// scanned has a project with an image that has CVE-1 (critical) and CVE-2 (medium),
// and one that nobody scanned.
func scanned(t *testing.T, database *metadata.DB) (bad, unknown ocispec.Descriptor) {
	t.Helper()
	bad = push(t, database, "team/app", "v1")
	text := ""
	for id, severity := range map[string]string{"CVE-1": "CRITICAL", "CVE-2": "MEDIUM"} {
		text += fmt.Sprintf(
			`{"id":%q,"affected":[{"package":{"ecosystem":"npm","name":"x"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}],"database_specific":{"severity":%q}}`,
			id,
			severity,
		)
	}
	_, err := vulndb.Over(database).
		Import(t.Context(), vulndb.New{Name: "osv"}, strings.NewReader(text), int64(len(text)),
			func(context.Context, *metadata.Tx, vulndb.Source) error { return nil })
	if err == nil {
		_, err = results.Over(database).
			Keep(t.Context(), bad.Digest, packages.Image{Packages: []packages.Found{
				{
					Package: packages.Package{
						Type:    packages.NPM,
						Name:    "x",
						Version: "1.0.0",
					},
				},
			}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return bad, push(t, database, "team/app", "v2")
}

func push(t *testing.T, database *metadata.DB, repo, tag string) ocispec.Descriptor {
	t.Helper()
	desc := ocispec.Descriptor{
		Digest: digest.FromString(
			repo + tag,
		), Size: 7, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ocispec.MediaTypeImageConfig,
	}
	err := database.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		id, err := tx.EnsureRepository(ctx, repo, metadata.Creator{Name: "ada"})
		if err == nil {
			err = tx.AddBytes(ctx, desc.Digest, 7)
		}
		if err == nil {
			err = tx.AddManifest(ctx, id, metadata.Manifest{Descriptor: desc}, "ada")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func TestGate(t *testing.T) {
	t.Parallel()
	metadatatest.Each(
		t,
		func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
			database := open(t, time.Now)
			bad, unknown := scanned(t, database)
			gates, by, ctx := gate.New(
				database,
				auth.Judge{},
			), auth.Operator(), t.Context()
			expect := func(what string, desc ocispec.Descriptor, words ...string) {
				t.Helper()
				err := gates.MayPull(ctx, "team/app", desc)
				if len(words) == 0 && err != nil ||
					len(words) > 0 && !errors.Is(err, errdefs.ErrDenied) {
					t.Errorf("%s: %v", what, err)
				}
				for _, w := range words {
					if err != nil && !strings.Contains(err.Error(), w) {
						t.Errorf("%s: %v does not say %q", what, err, w)
					}
				}
			}
			set := func(s gate.Settings) {
				t.Helper()
				if err := gates.Set(ctx, by, "team", s); err != nil {
					t.Fatal(err)
				}
			}
			expect("no gate", bad)
			other := gate.New(database, auth.Judge{})
			if err := other.MayPull(ctx, "team/app", bad); err != nil {
				t.Errorf("no gate, at another server: %v", err)
			}
			set(gate.Settings{From: advisory.High, Unscanned: gate.Allow})
			expect("worse than allowed", bad, "CVE-1", `project "team"`, "high or worse")
			for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				err := other.MayPull(ctx, "team/app", bad)
				if errors.Is(err, errdefs.ErrDenied) {
					break
				}
				if err != nil || time.Now().After(end) {
					t.Fatalf("worse than allowed, at another server: %v", err)
				}
			}
			expect("not scanned, allowed", unknown)
			anonymous := bad
			anonymous.ArtifactType = "" // as another registry describes it
			expect("from elsewhere", anonymous, "CVE-1")
			expect(
				"a chart",
				ocispec.Descriptor{
					Digest:       bad.Digest,
					ArtifactType: "application/vnd.cncf.helm.config.v1+json",
				},
			)
			set(
				gate.Settings{
					From:      advisory.Critical,
					Unscanned: gate.Block,
					OnPush:    true,
				},
			)
			expect("not scanned, blocked", unknown, "was not scanned")
			if err := results.Over(database).Fail(ctx, unknown.Digest, "", "it is no tar"); err != nil {
				t.Fatal(err)
			}
			expect("not to be scanned", unknown, "it is no tar")
			for _, of := range []string{"team", ""} {
				if err := gates.Except(ctx, by, of, gate.Exception{Vulnerability: "CVE-1", Reason: "not reachable", Expires: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				expect("let through", bad)
				if v, held, gated, err := gates.Judge(ctx, "team", bad.Digest); err != nil ||
					held ||
					!gated ||
					v.Let != 1 {
					t.Errorf("%+v %v %v %v", v, held, gated, err)
				}
				if all, err := gates.Exceptions(ctx, by, of); err != nil ||
					len(all) != 1 ||
					all[0].Reason != "not reachable" ||
					all[0].Expires.IsZero() {
					t.Errorf("%+v, %v", all, err)
				}
				if err := gates.Insist(ctx, by, of, "CVE-1"); err != nil {
					t.Fatal(err)
				}
				expect("not let through any more", bad, "CVE-1")
			}
			if err := gates.Insist(ctx, by, "team", "CVE-1"); !errors.Is(
				err,
				errdefs.ErrNotFound,
			) {
				t.Errorf("removed twice: %v", err)
			}
			if s, err := gates.Of(ctx, by, "team"); err != nil ||
				s.From != advisory.Critical ||
				s.Unscanned != gate.Block ||
				!s.OnPush ||
				s.By != by.Name {
				t.Errorf("%+v, %v", s, err)
			}
		},
	)
}

func TestExceptionsEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if (gate.Exception{}).Expired(now) ||
		(gate.Exception{Expires: now.Add(time.Second)}).Expired(now) ||
		!(gate.Exception{Expires: now}).Expired(now) {
		t.Error("when an exception ends")
	}
}

func TestSettingsLeaveNothingOpen(t *testing.T) {
	t.Parallel()
	database := metadatatest.OpenSQLite(t, time.Now)
	gates, by := gate.New(database, auth.Judge{}), auth.Operator()
	push(t, database, "team/app", "v1")
	for what, s := range map[string]gate.Settings{
		"no choice": {From: advisory.High}, "another choice": {From: advisory.High, Unscanned: "maybe"}, "a choice without a gate": {Unscanned: gate.Block},
		"another SBOM": {SBOM: "syft"},
	} {
		if err := gates.Set(t.Context(), by, "team", s); !errors.Is(
			err,
			errdefs.ErrInvalid,
		) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, e := range map[string]gate.Exception{
		"no name": {}, "odd": {Vulnerability: "CVE 1"}, "past": {Vulnerability: "CVE-1", Expires: time.Now().Add(-time.Hour)},
		"a novel": {Vulnerability: "CVE-1", Reason: strings.Repeat("x", 600)},
	} {
		if err := gates.Except(t.Context(), by, "team", e); !errors.Is(
			err,
			errdefs.ErrInvalid,
		) {
			t.Errorf("%s: %v", what, err)
		}
	}
	nobody := auth.Caller{}
	if err := gates.Set(t.Context(), nobody, "team", gate.Standard); !errors.Is(
		err,
		errdefs.ErrUnauthenticated,
	) {
		t.Errorf("nobody sets: %v", err)
	}
	if err := gates.Except(t.Context(), nobody, "", gate.Exception{Vulnerability: "CVE-1"}); !errors.Is(
		err,
		errdefs.ErrUnauthenticated,
	) {
		t.Errorf("nobody lets through: %v", err)
	}
	if s, err := gates.Of(t.Context(), by, "team"); err != nil || s != gate.Standard {
		t.Errorf("%+v, %v", s, err)
	}
}
