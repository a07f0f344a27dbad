package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"devserver.io/devserver/internal/cli/keys"
)

func TestApply(t *testing.T) {
	const text = "flavor: gpu\nkey: ~/.ssh/id.pub\ngithub: octocat\neditor: cursor\n"
	cases := map[string]struct{ args, want string }{
		"AllThatIsSet":      {"", "gpu [/home/ann/.ssh/id.pub] [octocat]"},
		"TheCommandLine":    {"--flavor=cpu", "cpu [/home/ann/.ssh/id.pub] [octocat]"},
		"NothingTyped":      {"--flavor=", " [/home/ann/.ssh/id.pub] [octocat]"},
		"KeysThatAreNamed":  {"--key=other.pub", "gpu [other.pub] []"},
		"UsersThatAreNamed": {"--github=eve", "gpu [] [eve]"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			place(t, text)
			cmd := &cobra.Command{Use: "create"}
			flavor := cmd.Flags().String("flavor", "", "")
			files, users := cmd.Flags().StringArray("key", nil, ""), cmd.Flags().StringArray("github", nil, "")
			if err := cmd.ParseFlags(strings.Fields(tc.args)); err != nil {
				t.Fatal(err)
			}
			flags := map[string]string{"flavor": "flavor", "key": "key", "github": "github", "image": "none"}
			if err := Apply(cmd, flags); err != nil {
				t.Fatal(err)
			}
			got := *flavor + " [" + strings.Join(*files, " ") + "] [" + strings.Join(*users, " ") + "]"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheEnvironmentWinsOverTheFile(t *testing.T) {
	place(t, "githubURL: https://file.example.com\n")
	apply := func() string {
		cmd := &cobra.Command{Use: "create"}
		url := cmd.Flags().String("github-url", "https://default.example.com", "")
		if err := cmd.Flags().SetAnnotation("github-url", keys.Variable, []string{"TEST_GITHUB_URL"}); err != nil {
			t.Fatal(err)
		}
		if err := Apply(cmd, map[string]string{"githubURL": "github-url"}); err != nil {
			t.Fatal(err)
		}
		return *url
	}
	if got := apply(); got != "https://file.example.com" {
		t.Errorf("without the variable it is %s", got)
	}
	t.Setenv("TEST_GITHUB_URL", "https://environment.example.com")
	if got := apply(); got != "https://default.example.com" {
		t.Errorf("with the variable the file still says %s", got)
	}
}
