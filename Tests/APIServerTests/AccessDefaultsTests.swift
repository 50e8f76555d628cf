import JSONTree
import KubeHTTP
import NIOHTTP1
import Testing

@testable import APIServer

/// The roles that every cluster has.
@Suite struct AccessDefaultsTests {
    private func role(_ name: String) -> [PolicyRule] {
        PolicyRule.list(DefaultPolicy.clusterRoles.first { $0.name == name }?["rules"])
    }

    private func allows(_ name: String, _ verb: String, _ group: String, _ resource: String) -> Bool {
        let parts = resource.split(separator: "/").map(String.init)
        return role(name).contains {
            $0.allows(AuthorizationAttributes(
                user: User(name: "", groups: []), verb: verb,
                resource: .init(group: group, resource: parts[0], subresource: parts.count > 1 ? parts[1] : "", namespace: "n", name: "x")))
        }
    }

    @Test func namesAreUniqueAndBindingsReferToRoles() {
        let names = DefaultPolicy.clusterRoles.map(\.name)
        #expect(Set(names).count == names.count)
        for binding in DefaultPolicy.clusterRoleBindings { #expect(names.contains(binding[path: "roleRef", "name"]?.string ?? ""), "\(binding.name)") }
    }

    @Test(arguments: [
        // verb, group, resource, and which of view, edit and admin may
        ("list", "", "pods", "vea"), ("get", "", "pods/log", "vea"), ("create", "", "pods", "ea"), ("create", "", "pods/exec", "ea"),
        ("get", "", "secrets", "ea"), ("create", "", "serviceaccounts/token", "ea"), ("impersonate", "", "serviceaccounts", "ea"),
        ("update", "apps", "deployments/scale", "ea"), ("list", "discovery.k8s.io", "endpointslices", "vea"),
        ("update", "discovery.k8s.io", "endpointslices", ""), ("create", "networking.k8s.io", "networkpolicies", "ea"),
        ("create", "rbac.authorization.k8s.io", "rolebindings", "a"), ("create", "rbac.authorization.k8s.io", "clusterroles", ""),
        ("get", "", "nodes", ""), ("delete", "", "namespaces", ""), ("get", "", "namespaces", "vea"), ("update", "", "resourcequotas", ""),
        ("create", "authorization.k8s.io", "localsubjectaccessreviews", "a"), ("update", "", "pods/status", ""),
    ])
    func whatViewersEditorsAndAdministratorsMay(_ verb: String, _ group: String, _ resource: String, _ who: String) {
        for (letter, name) in [("v", "view"), ("e", "edit"), ("a", "admin")] {
            #expect(allows(name, verb, group, resource) == who.contains(letter), "\(name) \(verb) \(resource)")
        }
    }

    @Test func aServerHasThemFromItsStartAndASecondStartChangesNothing() async throws {
        let first = try await TestServer()
        let admin = await first.get(rbac + "/clusterroles/admin").json
        #expect(admin[path: "aggregationRule", "clusterRoleSelectors"]?.array?.count == 1)
        #expect((admin["rules"]?.array?.count ?? 0) > 15)
        let before = await first.get(rbac + "/clusterroles").json
        #expect(before["items"]?.array?.count == DefaultPolicy.clusterRoles.count)
        let second = try await TestServer(storage: first.storage)
        #expect(await second.get(rbac + "/clusterroles").json["items"] == before["items"])
        #expect(await second.get(rbac + "/clusterrolebindings").json["items"]?.array?.count == DefaultPolicy.clusterRoleBindings.count)
    }

    @Test func whatIsMissingComesBackWhatWasAddedStays() async throws {
        let first = try await TestServer()
        let path = rbac + "/clusterroles/system:basic-user"
        var role = await first.get(path).json
        role["rules"] = [.rule(["get"], ["widgets"], group: "x.io")]
        role["metadata"]?["labels"] = ["mine": "1"]
        #expect(await first.call(.PUT, path, role).status == 200)
        #expect(await first.call(.DELETE, rbac + "/clusterroles/view").status == 200)
        let bindingPath = rbac + "/clusterrolebindings/system:discovery"
        var binding = await first.get(bindingPath).json
        binding["subjects"] = [.userSubject("ann")]
        #expect(await first.call(.PUT, bindingPath, binding).status == 200)

        let second = try await TestServer(storage: first.storage)
        let rules = PolicyRule.list(await second.get(path).json["rules"])
        #expect(rules.contains { $0.resources == ["widgets"] })
        #expect(rules.contains { $0.resources.contains("selfsubjectreviews") })
        #expect(await second.get(path).json[path: "metadata", "labels"] == ["mine": "1", "kubernetes.io/bootstrapping": "rbac-defaults"])
        #expect(await second.get(rbac + "/clusterroles/view").status == 200)
        #expect(await second.get(bindingPath).json["subjects"]?.array?.count == 2)
    }

    @Test func whoDoesNotWantItIsLeftAlone() async throws {
        let first = try await TestServer()
        let path = rbac + "/clusterroles/system:basic-user"
        var role = await first.get(path).json
        role["metadata"]?["annotations"] = .object([DefaultPolicy.autoUpdate: "false"])
        role["rules"] = []
        #expect(await first.call(.PUT, path, role).status == 200)
        let second = try await TestServer(storage: first.storage)
        #expect((await second.get(path).json["rules"]?.array ?? []).isEmpty)
    }

    @Test func aBindingToAnotherRoleIsMadeAnew() {
        let desired = DefaultPolicy.clusterRoleBindings[0]
        let found = desired.with("view", at: "roleRef", "name")
        #expect(PolicyReconciliation.of(found, desired: desired) == .replace(desired))
        #expect(PolicyReconciliation.of(desired, desired: desired) == .nothing)
    }

    @Test func aggregationFollowsLabels() throws {
        let role: JSON = ["metadata": ["name": "sum"], "aggregationRule": ["clusterRoleSelectors": [
            ["matchLabels": ["a": "1"]], ["matchExpressions": [["key": "b", "operator": "In", "values": ["2", "3"]]]],
        ]]]
        func part(_ name: String, _ labels: JSON, _ resource: String) -> JSON {
            JSON.role("ClusterRole", name, [.rule(["get"], [resource])]).with(labels, at: "metadata", "labels")
        }
        let all = [role, part("z", ["a": "1"], "one"), part("y", ["b": "3"], "two"), part("x", ["a": "2"], "three"), part("w", ["a": "1"], "one")]
        let rules = try #require(ClusterRoleAggregation.rules(of: role, among: all))
        #expect(PolicyRule.list(.array(rules)).map(\.resources) == [["one"], ["two"]])
        #expect(ClusterRoleAggregation.rules(of: all[1], among: all) == nil)
    }
}
