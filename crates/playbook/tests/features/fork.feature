Feature: Fork Task
  Several tasks at once, which share one context.

  Scenario: Outputs are in the order of the document
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: outputs-are-in-the-order-of-the-document, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - slow: {call: http, with: {method: get, endpoint: "https://api.test/slow"}}
              - fast: {call: http, with: {method: get, endpoint: "https://api.test/fast"}}
    """
    And given the server answers:
    """yaml
    [{path: /slow, after: 5, body: slow}, {path: /fast, after: 1, body: fast}]
    """
    When the workflow is executed
    When 5 seconds pass
    Then the workflow should complete with output:
    """yaml
    [slow, fast]
    """
    And the journal should be:
    """yaml
    fast completed
    slow completed
    both completed
    """

  Scenario: The first error cancels the others and is raised
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: the-first-error-cancels-the-others-and-is-raised, version: '1.0.0'}
    do:
      - guarded:
          try:
            - both:
                fork:
                  branches:
                    - slow: {call: http, with: {method: get, endpoint: "https://api.test/slow"}}
                    - fails: {call: http, with: {method: get, endpoint: "https://api.test/fails"}}
          catch:
            do:
              - note: {set: {status: "${ $error.status }"}}
    """
    And given the server answers:
    """yaml
    [{path: /slow, after: 5}, {path: /fails, after: 1, status: 500}]
    """
    When the workflow is executed
    When 1 second passes
    Then the workflow should complete with output:
    """yaml
    status: 500
    """
    And the journal should be:
    """yaml
    fails faulted
    slow cancelled
    both faulted
    note completed
    guarded completed
    """

  Scenario: In a race the first success wins
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: in-a-race-the-first-success-wins, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - slow: {call: http, with: {method: get, endpoint: "https://api.test/slow"}}
              - fails: {call: http, with: {method: get, endpoint: "https://api.test/fails"}}
              - fast: {call: http, with: {method: get, endpoint: "https://api.test/fast"}}
    """
    And given the server answers:
    """yaml
    [{path: /slow, after: 5}, {path: /fails, after: 1, status: 500}, {path: /fast, after: 3, body: fast}]
    """
    When the workflow is executed
    When 3 seconds pass
    Then the workflow should complete with output:
    """yaml
    fast
    """
    And the journal should be:
    """yaml
    fails faulted
    fast completed
    slow cancelled
    race completed
    """

  Scenario: A race that all lose
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-race-that-all-lose, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - a: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
              - b: {call: http, with: {method: get, endpoint: "https://api.test/b"}}
    """
    And given the server answers:
    """yaml
    [{path: /a, after: 5, status: 500}, {path: /b, after: 1, status: 501}]
    """
    When the workflow is executed
    When 1 second passes
    Then the workflow should be running
    When 4 seconds pass
    Then the workflow should fault with error:
    """yaml
    status: 500
    instance: /do/0/race/fork/branches/0/a
    """
    And the journal should be:
    """yaml
    b faulted
    a faulted
    race faulted
    """

  Scenario: Branches share the context
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: branches-share-the-context, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - a: {set: {a: 1}, export: {as: "$context + {a: 1}"}}
              - b: {set: "${ $context }", export: {as: "$context + {b: 2}"}}
      - all: {set: "${ [., $context] }"}
    """
    And given its context is:
    """yaml
    c: 0
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [[{a: 1}, {a: 1, c: 0}], {a: 1, b: 2, c: 0}]
    """

  Scenario: Forks in forks
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: forks-in-forks, version: '1.0.0'}
    do:
      - outer:
          fork:
            branches:
              - left:
                  fork:
                    branches:
                      - a: {wait: {seconds: 1}}
                      - b: {set: {b: 1}}
              - right:
                  do:
                    - inner:
                        fork:
                          compete: true
                          branches:
                            - c: {wait: {seconds: 3}}
                            - d: {wait: {seconds: 2}}
                    - e: {set: {e: 1}}
    """
    When the workflow is executed
    When 3 seconds pass
    Then the workflow should complete with output:
    """yaml
    [[null, {b: 1}], {e: 1}]
    """
    And the journal should be:
    """yaml
    b completed
    a completed
    left completed
    d completed
    c cancelled
    inner completed
    e completed
    right completed
    outer completed
    """

  Scenario: End in a branch ends the run
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: end-in-a-branch-ends-the-run, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - slow: {wait: {hours: 1}}
              - ends:
                  do:
                    - now: {set: {done: true}, then: end}
                    - never: {set: {a: 1}}
      - never2: {set: {a: 1}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    done: true
    """
    And the journal should be:
    """yaml
    now completed
    ends completed
    slow cancelled
    both completed
    """

  Scenario: Loop variables are seen in branches
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: loop-variables-are-seen-in-branches, version: '1.0.0'}
    do:
      - each:
          for: {each: n, in: "[1, 2]"}
          do:
            - both:
                fork:
                  branches:
                    - a: {set: "${ $n }"}
                    - b: {do: [{c: {set: "${ $index }"}}]}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [2, 1]
    """

  Scenario: A fork in a race fails, and the race goes on
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-fork-in-a-race, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - both:
                  fork:
                    branches:
                      - pause: {wait: {seconds: 9}}
                      - fails:
                          do:
                            - call: {call: http, with: {method: get, endpoint: "https://api.test/a"}}
              - slow: {wait: {seconds: 5}}
          output: {as: "{winner: .}"}
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    And given the server answers:
    """yaml
    - {path: /a, status: 500, after: 1}
    """
    When the workflow is executed
    When 5 seconds pass
    Then the workflow should complete with output:
    """yaml
    winner: {a: 1}
    """
    And the journal should be:
    """yaml
    call faulted
    fails faulted
    pause cancelled
    both faulted
    slow completed
    race completed
    """
