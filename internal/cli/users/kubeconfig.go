package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
)

// KubeconfigOptions say for whom to make a kubeconfig, and how.
type KubeconfigOptions struct {
	Username, File, Server string
	Expires, Timeout       time.Duration
}

// kubeconfig makes a kubeconfig, and tries it before it is handed out.
func kubeconfig(ctx context.Context, to *cluster.Cluster, o KubeconfigOptions, streams genericiooptions.IOStreams) error {
	user, err := find(ctx, to.Client, o.Username)
	if err != nil {
		return err
	}
	file := o.File
	if file == "" {
		file = o.Username + ".kubeconfig"
	}
	if _, err := os.Lstat(file); file != "-" && !errors.Is(err, fs.ErrNotExist) {
		return exit.With(exit.Refused, fmt.Errorf("%s is there already: remove it, or name another with --file", file))
	}
	identity, err := certify(ctx, to.Client, user, o)
	if err != nil {
		return err
	}
	config, err := configFor(to.Config, user, identity, o.Server)
	if err != nil {
		return err
	}
	if err := try(ctx, to, user, identity); err != nil {
		return err
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("making the kubeconfig of %s: %w", user.Spec.Username, err)
	}
	if file == "-" {
		_, err = streams.Out.Write(text)
		return err
	}
	if err := writeNew(file, text); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user.Spec.Username, err)
	}
	_, err = fmt.Fprintf(streams.Out, "%s holds until %s. Give it to %s as you would give a password, and what to do with it: devctl --kubeconfig %s list\n",
		file, identity.expires.Local().Format("2006-01-02"), user.Spec.Owner, file)
	return err
}

// find is the person, who has to have their namespace.
func find(ctx context.Context, c client.Reader, username string) (*devserverv1.DevServerUser, error) {
	var users devserverv1.DevServerUserList
	if err := c.List(ctx, &users); err != nil {
		return nil, explain(err, "looking for DevServerUser "+username)
	}
	for i := range users.Items {
		u := &users.Items[i]
		if u.Spec.Username != username || u.Status.Namespace == "" && u.Name != username {
			continue
		}
		if u.Status.Namespace == "" {
			reason, message := unready(u)
			return nil, exit.With(exit.Refused, fmt.Errorf("%s has no namespace yet to work in: %s: %s", username, reason, message))
		}
		return u, nil
	}
	return nil, exit.With(exit.NotFound, fmt.Errorf("there is no DevServerUser with the username %s: devctl users list shows which there are", username))
}

// configFor is the person's kubeconfig: their own key, and the cluster as the
// admin knows it.
func configFor(own *rest.Config, user *devserverv1.DevServerUser, identity *identity, server string) (*clientcmdapi.Config, error) {
	to := &clientcmdapi.Cluster{
		Server: own.Host, TLSServerName: own.ServerName, CertificateAuthorityData: own.CAData,
		InsecureSkipTLSVerify: own.Insecure,
	}
	if server != "" {
		to.Server = server
	}
	if len(own.CAData) == 0 && own.CAFile != "" {
		var err error
		if to.CertificateAuthorityData, err = os.ReadFile(own.CAFile); err != nil {
			return nil, fmt.Errorf("reading the certificate of the cluster: %w", err)
		}
	}
	const name = "devserver"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = to
	config.AuthInfos[user.Spec.Username] = &clientcmdapi.AuthInfo{ClientCertificateData: identity.certificate, ClientKeyData: identity.key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user.Spec.Username, Namespace: user.Status.Namespace}
	config.CurrentContext = name
	return config, nil
}

// try asks the cluster who it takes the new identity for: what owners are
// compared with must be exactly that.
func try(ctx context.Context, to *cluster.Cluster, user *devserverv1.DevServerUser, identity *identity) error {
	config := rest.AnonymousClientConfig(to.Config)
	config.CertData, config.KeyData = identity.certificate, identity.key
	c, err := client.New(config, client.Options{Scheme: to.Client.Scheme(), Mapper: to.Client.RESTMapper()})
	if err != nil {
		return fmt.Errorf("trying the new certificate: %w", err)
	}
	name, err := cluster.Me(ctx, c)
	if err != nil {
		return fmt.Errorf("trying the new certificate: %w", err)
	}
	if name != user.Spec.Owner {
		return fmt.Errorf("the cluster takes the new certificate for %s, and not for %s: people cannot log in by certificates here", name, user.Spec.Owner)
	}
	return nil
}

// writeNew writes a file that only its owner reads, and replaces none.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
