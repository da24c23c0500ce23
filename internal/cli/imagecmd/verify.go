package imagecmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cove/engine/images"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// Verify says whether the signatures of an image at its registry count.
func Verify(a *app.App) *cobra.Command {
	var o images.VerifyOptions
	var format, platform string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "verify [flags] IMAGE",
		Short: "Say whether what signs an image at its registry counts, and why not",
		Long: `Ask the registry of an image what signs it, and verify that as pull and run do: cosign's
signatures, beside a tag, as referrers and in bundles, and those of the Notary Project.
Nothing is pulled, and nobody else is asked. Of an index its own signature counts, or that
of the image for the platform.

Without --key and --policy it is the configuration that says whose signatures count. The
exit code is 0 when one counts, and 1 when none does.`,
		Example: "  verify registry.example.com/team/app:v1\n  verify --key release.pub registry.example.com/team/app:v1\n" +
			"  verify --policy config.yaml --format json registry.example.com/team/app:v1",
		Args: app.ExactArgs(1),
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&o.Keys, "key", nil,
		"file of a public key or certificate in PEM whose signatures count; may be given several times")
	fs.StringVar(&o.Policy, "policy", "", "configuration file whose signatures: count, in place of those in effect")
	fs.StringVar(&platform, "platform", "", "which image of several: OS/ARCH[/VARIANT]")
	fs.StringVar(&format, "format", "", "json, instead of lines")
	fs.BoolVarP(&quiet, "quiet", "q", false, "print nothing: the exit code says it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if format != "" && format != "json" {
			return errdefs.Errorf(errdefs.ErrInvalid, "--format %s: want json", format)
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		of, err := eng.ForPlatform(platform)
		if err != nil {
			return err
		}
		v, err := of.Verify(cmd.Context(), args[0], o)
		if err != nil {
			return err
		}
		if !quiet {
			if err := printVerified(a.Out, a.Err, v, format); err != nil {
				return err
			}
		}
		if !v.Counts {
			return &app.Exit{Code: app.CodeFailed}
		}
		return nil
	}
	return cmd
}

func printVerified(out, errs io.Writer, v images.Verified, format string) error {
	if format == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(v.Signatures) > 0 {
		fmt.Fprintln(w, "SIGNATURE\tOF\tSIGNER\tCOUNTS")
	}
	for _, s := range v.Signatures {
		counts := "yes, by " + s.Key
		if s.Key == "" {
			counts = "no, " + s.Reason + ": " + s.Detail
		}
		fmt.Fprintf(w, "%s\t%.19s\t%s\t%s\n", s.Form, s.Of, cmp.Or(s.Signer, "-"), counts)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if v.Counts {
		_, err := fmt.Fprintf(out, "%s@%s is signed\n", v.Name, v.Digest)
		return err
	}
	_, err := fmt.Fprintln(errs, v.Reason)
	return err
}
