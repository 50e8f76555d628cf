import ArgumentParser
import ClusterTrust
import KubeAPI
import KubeClient
import KubeTypes
import LinuxSystem

/// Tokens by which nodes join, as kubeadm has them.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and delete the tokens by which nodes join.", subcommands: [Create.self, List.self, Delete.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a token and print it.")

        @OptionGroup var cluster: ClusterAccess

        @Argument(help: "The token, [a-z0-9]{6}.[a-z0-9]{16}; by default a random one.")
        var token: String?

        @Option(help: "After how long the token expires, such as 24h or 30m; 0 for never.")
        var ttl = "24h"

        @Option(help: "What the token is for, shown in lists.")
        var description = ""

        @Option(help: "The groups of whoever comes with the token, separated by commas.")
        var groups = BootstrapTokenSecret.defaultGroup

        @Option(help: "What the token may be used for, separated by commas: signing, authentication.")
        var usages = "signing,authentication"

        @Flag(help: "Print the whole command to run on the machine that joins.")
        var printJoinCommand = false

        func run() async throws {
            let secret = try secret(now: .now())
            try await cluster.run { client, kubeconfig in
                do {
                    _ = try await client.create(Secret.resource, namespace: BootstrapTokenSecret.namespace, secret.secret)
                } catch let error as KubeError where error.isAlreadyExists {
                    throw Failure("a token with id \"\(secret.token.id)\" already exists")
                }
                guard printJoinCommand else { return FileOutput.standardOutput("\(secret.token)\n") }
                let pin = try PublicKeyPin(certificatePEM: kubeconfig.authority)
                FileOutput.standardOutput(
                    "swiftlet node join \(kubeconfig.server.replacing("https://", with: "")) --token \(secret.token) --discovery-token-ca-cert-hash \(pin)\n")
            }
        }

        private func secret(now: Time) throws -> BootstrapTokenSecret {
            var generator = SystemRandomNumberGenerator()
            do throws(ClusterTrustError) {
                let token = try token.map { text throws(ClusterTrustError) in try BootstrapToken(text) } ?? BootstrapToken.random(using: &generator)
                let seconds = try TimeToLive.seconds(ttl)
                let groups = groups.split(separator: ",").map(String.init)
                if let wrong = groups.first(where: { !BootstrapTokenForm.isGroup($0) }) {
                    throw ClusterTrustError("bootstrap group \"\(wrong)\" is invalid (must match \\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\\z)")
                }
                let usages = Set(usages.split(separator: ",").map(String.init))
                guard usages.isSubset(of: ["signing", "authentication"]) else {
                    throw ClusterTrustError("expected --usages to be of signing and authentication, found '\(self.usages)'")
                }
                return BootstrapTokenSecret(
                    token: token, expiration: seconds == 0 ? nil : Time(seconds: now.seconds + seconds), description: description, groups: groups,
                    authenticates: usages.contains("authentication"), signs: usages.contains("signing"))
            } catch {
                throw Failure(error.description)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens.")

        @OptionGroup var cluster: ClusterAccess

        func run() async throws {
            try await cluster.run { client, _ in
                let options = ListOptions(fieldSelector: "type=\(BootstrapTokenForm.secretType)")
                let secrets = try await client.list(Secret.self, namespace: BootstrapTokenSecret.namespace, options: options)
                FileOutput.standardOutput(BootstrapTokenTable.text(secrets.items.compactMap { BootstrapTokenSecret(secret: $0.json) }, now: .now()))
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete tokens: nobody joins with them any more.")

        @OptionGroup var cluster: ClusterAccess

        @Argument(help: "The tokens, or their ids: what is before the dot.")
        var tokens: [String]

        func validate() throws {
            if tokens.isEmpty { throw ValidationError("missing argument; 'token delete' is missing token of form \"[a-z0-9]{6}\" or \"[a-z0-9]{6}.[a-z0-9]{16}\"") }
        }

        func run() async throws {
            let ids = try tokens.map { text in
                let id = (try? BootstrapToken(text))?.id ?? text  // What is no whole token is an id, or wrong.
                guard BootstrapTokenForm.isID(id) else {
                    throw Failure("given token or token id \"\(text)\" didn't match pattern \"[a-z0-9]{6}\" or \"[a-z0-9]{6}.[a-z0-9]{16}\"")
                }
                return id
            }
            try await cluster.run { client, _ in
                for id in ids {
                    do {
                        _ = try await client.delete(Secret.resource, namespace: BootstrapTokenSecret.namespace, name: BootstrapTokenForm.namePrefix + id)
                    } catch let error as KubeError {
                        throw Failure("failed to delete bootstrap token \"\(id)\": \(error)")
                    }
                    FileOutput.standardOutput("bootstrap token \"\(id)\" deleted\n")
                }
            }
        }
    }
}

/// The cluster that a command is about, and as whom.
struct ClusterAccess: ParsableArguments {
    @OptionGroup var directories: Directories

    @Option(help: "How to reach the cluster, and as whom; by default as the administrator of the one on this machine.")
    var kubeconfig: String?

    /// Runs with a client, and says in one line what went wrong.
    func run(_ body: (KubeClient, Kubeconfig) async throws -> Void) async throws {
        let path = kubeconfig ?? directories.adminKubeconfig
        guard Files.exists(path) else { throw Failure("found no kubeconfig at \(path): run this where the control plane is, or name one with --kubeconfig") }
        do {
            let configuration = try Kubeconfig(path: path)
            let transport = try NetworkTransport(kubeconfig: configuration)
            let result: Result<Void, any Error>
            do { result = .success(try await body(KubeClient(transport: transport), configuration)) } catch { result = .failure(error) }
            try await transport.shutdown()
            try result.get()
        } catch let error as KubeError {
            throw Failure("\(error)")
        }
    }
}
