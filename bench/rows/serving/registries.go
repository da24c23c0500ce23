// Package serving is the rows of registries.
package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/outside"
	"cove/bench/peers"
)

// registry is one of those that are measured.
type registry struct {
	name    string // of the contender
	address string
	// use is why it is there beside others of its kind; "" for most rows.
	use    string
	secure bool
	// outside is a registry that somebody named by its URL, and nobody started here.
	outside *url.URL

	pid    int // once it runs
	client *asker.Client
}

// plain are the servers of most rows.
func plain(use string, port int) []*registry {
	var all []*registry
	for i, name := range []string{peers.Cove, peers.DockerRegistry, peers.Distribution, peers.BareServer} {
		all = append(all, &registry{name: name, use: use, address: fmt.Sprintf("127.0.0.1:%d", port+i)})
	}
	return all
}

// secured are servers of TLS, among which is no bare one.
func secured(use string, port int) []*registry {
	all := plain(use, port)[:3]
	for _, r := range all {
		r.secure = true
	}
	return all
}

// elsewhere is the registry that somebody named, if somebody did.
func elsewhere(u *url.URL) []*registry {
	if u == nil {
		return nil
	}
	return []*registry{{name: u.Host, outside: u, client: outside.Client(u)}}
}

func (r *registry) folder(l *lab.Lab) string {
	return filepath.Join(l.Vars["DISK"], r.name+r.use)
}

// runs needs the registry.
func (r *registry) runs() lab.Need {
	return lab.Need{Name: "registry " + r.name + r.use, Do: func(ctx context.Context, l *lab.Lab) error {
		if r.outside != nil {
			return nil
		}
		served := peers.Served{Kind: r.name, Address: r.address, Folder: r.folder(l)}
		r.client = &asker.Client{Base: "http://" + r.address}
		if r.secure {
			if err := l.Prepare(ctx, certificates); err != nil {
				return err
			}
			served.Certificates = filepath.Join(l.Work, certificateDir)
			pool, err := trusting(filepath.Join(served.Certificates, "ca.crt"))
			if err != nil {
				return err
			}
			r.client = &asker.Client{Base: "https://" + r.address, HTTP: pool}
		}
		s, err := peers.Registry(l, served)
		if err != nil {
			return err
		}
		r.pid = s.PID()
		return nil
	}}
}

// has needs an image of a size in the registry, under tagOf.
func (r *registry) has(size int) lab.Need {
	return lab.Need{
		Name: fmt.Sprintf("%s%s with an image of %d MB", r.name, r.use, size>>20),
		Do: func(ctx context.Context, l *lab.Lab) error {
			if err := l.Prepare(ctx, r.runs()); err != nil {
				return err
			}
			return r.client.PushImage(ctx, tagOf(size), asker.NewLayer(size))
		},
	}
}

func tagOf(size int) string { return fmt.Sprintf("mb%d", size>>20) }

const certificateDir = "certificates"

var certificates = lab.Need{
	Name: "certificates", Do: lab.Shell("$BIN/registry cert init --dir $WORK/" + certificateDir + " --name 127.0.0.1"),
}

func trusting(file string) (*http.Client, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New(file + " has no certificate")
	}
	return asker.Pool(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}), nil
}

// removed ends registries and frees their storage.
func removed(all []*registry) lab.Step {
	return func(_ context.Context, l *lab.Lab) error {
		var errs []error
		for _, r := range all {
			if r.outside != nil {
				continue
			}
			l.Stop(filepath.Base(r.folder(l)))
			errs = append(errs, os.RemoveAll(r.folder(l)))
		}
		return errors.Join(errs...)
	}
}

// Rows are these; u is a registry beside them that somebody named, or nil.
func Rows(u *url.URL) []lab.Row {
	usual := plain("", 5101)
	measured := slices.Concat(usual, elsewhere(u))
	large := slices.Concat(plain(" for large images", 5111), elsewhere(u))
	safe, largeSafe := secured(" with TLS", 5121), secured(" with TLS for large images", 5131)
	rows := slices.Concat(
		transfers("registry", measured, []shape{
			{1 << 20, 4, 8, 5},
			{10 << 20, 4, 6, 5},
			{1 << 20, 1, 8, 3},
			{10 << 20, 1, 4, 3},
			{1 << 20, 16, 4, 3},
			{10 << 20, 16, 2, 2},
		}),
		heads("registry", measured),
		[]lab.Row{{
			Name: "registry: resident memory after that", Target: figures.Target{Most: 60}, Rounds: 1,
			Cold: true, Unit: "MB", In: resident(usual[:3]),
		}},
		freed(large, transfers("registry", large, []shape{
			{100 << 20, 1, 2, 2}, {100 << 20, 4, 1, 2}, {100 << 20, 16, 1, 1},
		})),
		transfers("registry with TLS", safe, []shape{{1 << 20, 4, 8, 3}, {10 << 20, 4, 4, 3}, {1 << 20, 16, 4, 3}}),
		heads("registry with TLS", safe),
		freed(largeSafe, transfers("registry with TLS", largeSafe, []shape{{100 << 20, 4, 1, 2}})),
		lists(),
		collections(),
	)
	return rows
}

// freed has the registries of rows removed after the last of these.
func freed(all []*registry, rows []lab.Row) []lab.Row {
	rows[len(rows)-1].After = removed(all)
	return rows
}

// resident are the registries' processes, measured by what they take.
func resident(all []*registry) []lab.Contender {
	var in []lab.Contender
	for _, r := range all {
		in = append(in, lab.Contender{
			Name: r.name, Needs: []lab.Need{r.runs()},
			Value: func(context.Context, *lab.Lab) (float64, error) { return machine.Resident(r.pid) },
		})
	}
	return in
}
