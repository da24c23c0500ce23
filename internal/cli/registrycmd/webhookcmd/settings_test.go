package webhookcmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cove/registry/api/webhooks"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// parse is what flags and input say of a webhook.
func parse(t *testing.T, input string, flags ...string) (spec webhook.Spec, err error) {
	t.Helper()
	var s settings
	cmd := &cobra.Command{
		Use: "set", SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var said webhooks.Change
			if said, err = s.spec(cmd); err == nil {
				spec, err = said.Spec()
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.SetIn(strings.NewReader(input))
	cmd.SetArgs(flags)
	if failed := cmd.Execute(); err == nil {
		err = failed
	}
	return spec, err
}

// TestOnlyWhatIsGivenIsSaid: a flag that is left out changes nothing.
func TestOnlyWhatIsGivenIsSaid(t *testing.T) {
	t.Parallel()
	none, err := parse(t, "")
	if err != nil || none.Enabled != nil || none.Events != nil || none.Format != nil || none.Secret != nil ||
		none.Authorization != nil || none.SkipVerify != nil {
		t.Errorf("%+v %v", none, err)
	}
	all, err := parse(t, "one\r\ntwo\nthree", "--secret-stdin", "--auth-header-stdin", "--enabled=false", "--insecure",
		"--payload", "Teams", "--event", "quota_exceed", "--event", "PUSH_ARTIFACT")
	if err != nil {
		t.Fatal(err)
	}
	if *all.Secret != "one" || *all.Authorization != "two" || *all.Enabled || !*all.SkipVerify || *all.Format != payload.Teams ||
		!slices.Equal(*all.Events, []payload.Type{payload.QuotaExceed, payload.PushArtifact}) {
		t.Errorf("%+v", all)
	}
	gone, err := parse(t, "", "--no-secret", "--no-auth-header")
	if err != nil || *gone.Secret != "" || *gone.Authorization != "" {
		t.Errorf("%+v %v", gone, err)
	}
	header, err := parse(t, "Bearer x", "--auth-header-stdin")
	if err != nil || *header.Authorization != "Bearer x" || header.Secret != nil {
		t.Errorf("%+v %v", header, err)
	}
	for _, wrong := range [][]string{
		{"--payload", "xml"}, {"--event", "push"}, {"--secret-stdin", "--no-secret"}, {"--auth-header-stdin", "--no-auth-header"},
	} {
		if got, err := parse(t, "", wrong...); err == nil {
			t.Errorf("%v is taken: %+v", wrong, got)
		}
	}
}
