package registrycmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/content/s3store/objects"
	"cove/internal/atomicfile"
	"cove/internal/cli/registrycmd/command"
	"cove/internal/plural"
	"cove/registry/migrate"
	"cove/registry/server"
)

// importer are the flags of an import.
type importer struct {
	target  command.Target
	link    bool
	report  string
	tags    string
	service objects.Config
}

func newImport() *cobra.Command {
	var i importer
	cmd := &cobra.Command{
		Use:   "import DIR|s3://BUCKET[/PREFIX]",
		Short: "Take over the storage of another registry",
		Long: `Take over what the storage of CNCF Distribution holds (docker-registry, the
registry of Harbor or GitLab): a folder, or a bucket and its "rootdirectory",
that has docker/registry/v2. It is only read. Every content is read and checked
as it comes; what is here already is left alone, so an import that was cut off
is begun again. A tag comes to name what it names there.

Files are copied; with --link they come by a second name of them (a hard link),
which takes no room, from the same file system. From then on nobody may write to
them; the other registry never does, and what it deletes stays here.

Harbor keeps the names of tags in its database: since release 2.15 the storage has
none, and before it has those that were deleted, too. --tags FILE gives them, a
line each of repository, tag and digest with tabs between; then what the storage
says of tags counts for nothing.

A bucket of the service that this registry has its own in is copied there by the
service itself, with the credentials of the configuration, which must be allowed
to read it. One of another service (--endpoint, --region, …) is copied through
this machine.

The server must have been started once, and be stopped; with PostgreSQL it may
run. An exit code of 1 says that something could not be taken over.`,
		Example: `  registry import /var/lib/registry --root /srv/registry
  registry import --link /data/registry --root /data/cove --report import.json
  registry import s3://harbor/storage --config /etc/cove/registry.yaml
  registry import s3://old --endpoint https://s3.example.com --credentials old.keys --config /etc/cove/registry.yaml`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error { return i.run(cmd, a[0]) },
	}
	i.target.Flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&i.link, "link", false, "link files of the same file system instead of copying them")
	f.StringVar(&i.tags, "tags", "", "file of lines REPOSITORY, TAG, DIGEST with tabs between: what tags name, as of Harbor's database")
	f.StringVar(&i.report, "report", "", "write what became of each repository to this file, as JSON")
	f.StringVar(&i.service.Endpoint, "endpoint", "", "URL of the S3 service that has the bucket, if it is not this registry's")
	f.StringVar(&i.service.Region, "region", "", "its region")
	f.StringVar(&i.service.Credentials, "credentials", "", "file with its credentials, as ~/.aws/credentials")
	f.StringVar(&i.service.CA, "ca", "", "file with the authority of its certificate")
	f.BoolVar(&i.service.VirtualHosts, "virtual-hosts", false, "the bucket is in the host's name, not in the path")
	return cmd
}

func (i *importer) run(cmd *cobra.Command, place string) error {
	cfg, err := i.target.Configuration()
	if err != nil {
		return err
	}
	from := migrate.Place{Name: place, Link: i.link}
	for _, name := range []string{"endpoint", "region", "credentials", "ca", "virtual-hosts"} {
		if cmd.Flags().Changed(name) {
			from.Service = &i.service
		}
	}
	if i.tags != "" {
		if from.Tags, err = readTags(i.tags); err != nil {
			return err
		}
	}
	out, problems := cmd.OutOrStdout(), 0
	done, err := server.Import(cmd.Context(), cfg, from, func(err error) {
		problems++
		_, _ = fmt.Fprintln(out, err) // the last write reports a failure
	})
	if done.From != "" && (err == nil || len(done.Repositories) > 0) { // it began
		if i.report != "" {
			err = errors.Join(err, writeReport(i.report, done))
		}
		err = errors.Join(err, i.summary(out, done))
	}
	if err == nil && problems > 0 {
		err = fmt.Errorf("%d things could not be taken over", problems)
	}
	return err
}

func readTags(name string) (migrate.Tags, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("tags: %w", err)
	}
	tags, err := migrate.ReadTags(f)
	return tags, errors.Join(err, f.Close())
}

func (i *importer) summary(out io.Writer, done migrate.Report) error {
	did := "copied"
	if i.link {
		did = "linked"
	}
	t := done.Total
	_, err := plural.Fprintf(out, "found %d repositories, %d manifests and %d tags; added %d manifests, %s %d blobs (%s)\n",
		len(done.Repositories), t.Manifests, t.Tags, t.Added, did, t.Blobs, units.HumanSize(float64(t.Bytes)))
	if err == nil && t.Manifests > 0 && t.Tags == 0 {
		_, err = fmt.Fprintln(out, "the storage names no tags, as that of Harbor 2.15: bring them by --tags")
	}
	return err
}

func writeReport(name string, report migrate.Report) error {
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = atomicfile.Write(dir, filepath.Base(name), append(b, '\n'), 0o644, atomicfile.Durable)
	return errors.Join(err, dir.Close())
}
