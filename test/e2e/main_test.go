package e2e

import (
	"flag"
	"os"
	"testing"
)

// TestMain runs more tests in parallel than there are processors, because the
// tests mostly wait for the cluster.
func TestMain(m *testing.M) {
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}
