Feature: Wait Task
  A run that waits is a time in its state, whoever keeps it meanwhile.

  Scenario: Wait for a fixed time
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: wait-for-a-fixed-time, version: '1.0.0'}
    do:
      - pause: {wait: {seconds: 10}}
      - after: {set: {done: true}}
    """
    When the workflow is executed
    Then the workflow should be waiting
    And the workflow should wake in 10 seconds
    When 9 seconds pass
    Then the workflow should be waiting
    When 1 second passes
    Then the workflow should complete with output:
    """yaml
    done: true
    """
    And the journal should be:
    """yaml
    pause completed
    after completed
    """

  Scenario: Wait keeps the input
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: wait-keeps-the-input, version: '1.0.0'}
    do:
      - pause: {wait: PT1M}
    """
    And given the workflow input is:
    """yaml
    a: [1.1, null]
    """
    When the workflow is executed
    When 1 minute passes
    Then the workflow should complete with output:
    """yaml
    a: [1.1, null]
    """

  Scenario: Wait for no time at all
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: wait-for-no-time-at-all, version: '1.0.0'}
    do:
      - pause: {wait: {seconds: 0}}
      - after: {set: {done: true}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    done: true
    """

  Scenario: Two waits at once are waited for together
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: two-waits-at-once-are-waited-for-together, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - long: {wait: {seconds: 3}}
              - short: {wait: {seconds: 1}}
    """
    When the workflow is executed
    Then the workflow should wake in 1 seconds
    When 1 second passes
    Then the workflow should wake in 2 seconds
    When 2 seconds pass
    Then the workflow should complete
    And the journal should be:
    """yaml
    short completed
    long completed
    both completed
    """
